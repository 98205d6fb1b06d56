"""What was sent to a webhook endpoint, and sending it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import CURSORS, ApiView, book_of, paginate, query_of, validated
from apps.core.errors import InvalidRequest, NotFound
from apps.core.schema import PAGE
from apps.idempotency import services as idempotency
from apps.idempotency.types import OPTIONAL_KEY, Finality, RequestFacts
from apps.notifications import selectors, services
from apps.notifications.api.endpoints import ENDPOINTS_URL, READ, WRITE
from apps.notifications.public import render_delivery, render_delivery_with_log
from apps.notifications.serializers import (
    DeliveryList,
    DeliveryShape,
    DeliveryWithLogShape,
    NewReplay,
    ReplayShape,
)
from apps.notifications.types import DeliveryStatus


class Deliveries(ApiView):
    """What was sent to an endpoint, or is to be."""

    scopes = {"GET": READ}

    @extend_schema(
        summary="List an endpoint's deliveries, newest first",
        operation_id="webhook_deliveries_list",
        responses={200: DeliveryList},
        parameters=[
            OpenApiParameter("status", str, enum=[status.value for status in DeliveryStatus]),
            OpenApiParameter("event", str, description="evt_…: only of this event"),
            *PAGE,
        ],
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        filters = ("status", "event")
        query = query_of(request, (*filters, *CURSORS))
        endpoint = selectors.get_endpoint(
            book_id=book_of(request), id=ids.decode("whe", endpoint_id)
        )
        if query.get("status", DeliveryStatus.PENDING) not in list(DeliveryStatus):
            raise InvalidRequest("status: no such status.", param="status")
        deliveries = selectors.list_deliveries(
            book_id=endpoint.book_id,
            endpoint_id=endpoint.id,
            status=query.get("status"),
            event_id=_event_id(query.get("event")),
        )
        url = f"{ENDPOINTS_URL}/{endpoint}/deliveries"
        return paginate(
            deliveries, request, render=render_delivery, url=url, prefix="whd", filters=filters
        )


class OneDelivery(ApiView):
    """One delivery, with every attempt."""

    scopes = {"GET": READ}

    @extend_schema(
        summary="Retrieve a delivery with its attempts",
        operation_id="webhook_deliveries_retrieve",
        responses={200: DeliveryWithLogShape},
    )
    def get(self, request: Request, endpoint_id: str, delivery_id: str) -> Response:
        query_of(request, ())
        endpoint = selectors.get_endpoint(
            book_id=book_of(request), id=ids.decode("whe", endpoint_id)
        )
        found = selectors.get_delivery(
            book_id=endpoint.book_id, endpoint_id=endpoint.id, id=ids.decode("whd", delivery_id)
        )
        attempts = selectors.list_attempts(book_id=endpoint.book_id, delivery_id=found.id)
        return Response(render_delivery_with_log(found, attempts))


class Redelivery(ApiView):
    """A delivery once more."""

    scopes = {"POST": WRITE}

    @extend_schema(
        summary="Send a delivery again",
        description="At once, and then by the schedule from its beginning. 409 while disabled.",
        operation_id="webhook_deliveries_redeliver",
        request=None,
        responses={200: DeliveryShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, endpoint_id: str, delivery_id: str) -> HttpResponse:
        endpoint, delivery = ids.decode("whe", endpoint_id), ids.decode("whd", delivery_id)
        facts = RequestFacts.of(request, key_required=False, is_locking=True)
        book_id, actor = facts.book_id, request.auth.actor  # type: ignore[union-attr]

        def create(_id: UUID) -> None:
            services.redeliver(
                book_id=book_id,
                endpoint_id=endpoint,
                delivery_id=delivery,
                actor=actor,
                now=facts.now,
            )

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            found = selectors.get_delivery(book_id=book_id, endpoint_id=endpoint, id=delivery)
            return 200, render_delivery(found), True

        return idempotency.run(facts, create, render)


class Replay(ApiView):
    """The events of a time once more."""

    scopes = {"POST": WRITE}

    @extend_schema(
        summary="Replay the events of a time",
        description=(
            "Queues the events that the endpoint subscribes to and never had, or that failed; with "
            "`include_delivered` also those it took. At most 1000 a call and 31 days. 409 while "
            "the endpoint is disabled."
        ),
        operation_id="webhook_endpoints_replay",
        request=NewReplay,
        responses={200: ReplayShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        values = validated(NewReplay, request)
        endpoint = ids.decode("whe", endpoint_id)
        facts = RequestFacts.of(request, key_required=False, is_locking=True)
        book_id, actor = facts.book_id, request.auth.actor  # type: ignore[union-attr]
        since, until = values["since"], values.get("until", facts.now)
        if not timedelta() < until - since <= services.MAX_REPLAY_PERIOD:
            raise InvalidRequest("since: before until, by at most 31 days.", param="since")

        def create(replay_id: UUID) -> int:
            queued = services.replay(
                book_id=book_id,
                endpoint_id=endpoint,
                since=since,
                until=until,
                is_including_delivered=values["include_delivered"],
                actor=actor,
                now=facts.now,
            )
            # How many they were can be told only here.
            answer = _replayed(queued)
            idempotency.store_answer(resource_id=replay_id, status=200, content=answer)
            idempotency.let_expire(resource_id=replay_id, now=facts.now)
            return queued

        def render(queued: int, _is_taken_over: bool) -> tuple[int, dict[str, Any], Finality]:
            return 200, _replayed(queued), Finality.STORED

        return idempotency.run(facts, create, render)


def _replayed(queued: int) -> dict[str, Any]:
    return {"object": "webhook_replay", "queued": queued}


def _event_id(text: str | None) -> UUID | None:
    """The id of the event that the caller names.

    :raises NotFound: it is no event's.
    """
    if text is None:
        return None
    try:
        return ids.decode("evt", text)
    except ids.InvalidId:
        raise NotFound("No such event.", param="event") from None
