"""The REST face of events: to be read, for those who missed a webhook or like to poll."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import ApiView, paginate, query_of
from apps.notifications import selectors
from apps.notifications.serializers import EventList, EventShape, render_event

EVENTS_URL = "/v1/events"
FILTERS = ("type",)


class Events(ApiView):
    """What happened to a merchant's objects, to be polled."""

    scopes = {"GET": "events:read"}

    @extend_schema(
        summary="List events, newest first",
        operation_id="events_list",
        responses={200: EventList},
        parameters=[
            OpenApiParameter("type", str, description="payment.captured: only these"),
            OpenApiParameter("limit", int, description="1 to 100, 10 unless told otherwise"),
            OpenApiParameter("starting_after", str, description="an id: the older ones"),
            OpenApiParameter("ending_before", str, description="an id: the newer ones"),
        ],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, (*FILTERS, "limit", "starting_after", "ending_before"))
        events = selectors.list_events(
            book_id=request.auth.book_id,  # type: ignore[union-attr]
            kind=query.get("type"),
        )
        return paginate(
            events, request, render=render_event, url=EVENTS_URL, prefix="evt", filters=FILTERS
        )


class OneEvent(ApiView):
    """One event."""

    scopes = {"GET": "events:read"}

    @extend_schema(
        summary="Retrieve an event", operation_id="events_retrieve", responses={200: EventShape}
    )
    def get(self, request: Request, event_id: str) -> Response:
        query_of(request, ())
        found = selectors.get(
            book_id=request.auth.book_id,  # type: ignore[union-attr]
            id=ids.decode("evt", event_id),
        )
        return Response(render_event(found))
