"""Events, to be read by those who missed a webhook or like to poll."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import CURSORS, ApiView, book_of, paginate, query_of
from apps.core.schema import PAGE
from apps.notifications import selectors
from apps.notifications.public import render_event
from apps.notifications.serializers import EventList, EventShape

EVENTS_URL = "/v1/events"


class Events(ApiView):
    """What happened to a merchant's objects, to be polled."""

    scopes = {"GET": "events:read"}

    @extend_schema(
        summary="List events, newest first",
        operation_id="events_list",
        responses={200: EventList},
        parameters=[
            OpenApiParameter("type", str, description="payment.captured: only these"),
            *PAGE,
        ],
    )
    def get(self, request: Request) -> Response:
        filters = ("type",)
        query = query_of(request, (*filters, *CURSORS))
        events = selectors.list_events(book_id=book_of(request), kind=query.get("type"))
        return paginate(
            events,
            request,
            render=render_event,
            url=EVENTS_URL,
            prefix="evt",
            filters=filters,
            prepare=selectors.with_notes,
        )


class OneEvent(ApiView):
    """One event."""

    scopes = {"GET": "events:read"}

    @extend_schema(
        summary="Retrieve an event", operation_id="events_retrieve", responses={200: EventShape}
    )
    def get(self, request: Request, event_id: str) -> Response:
        query_of(request, ())
        found = selectors.get(book_id=book_of(request), id=ids.decode("evt", event_id))
        selectors.with_notes([found])
        return Response(render_event(found))
