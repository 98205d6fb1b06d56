"""Webhook endpoints: where a merchant is told of events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, book_of, paginate, query_of, validated
from apps.core.schema import PAGE
from apps.idempotency import services as idempotency
from apps.idempotency.types import OPTIONAL_KEY, RequestFacts
from apps.notifications import selectors, services
from apps.notifications.public import render_endpoint
from apps.notifications.serializers import (
    DeletedWebhookEndpointShape,
    NewSecret,
    NewWebhookEndpoint,
    WebhookEndpointChanges,
    WebhookEndpointList,
    WebhookEndpointShape,
    WebhookEndpointWithSecretShape,
)

ENDPOINTS_URL = "/v1/webhook_endpoints"
READ, WRITE = "webhook_endpoints:read", "webhook_endpoints:write"


class WebhookEndpoints(ApiView):
    """Where a merchant is told of events."""

    scopes = {"GET": READ, "POST": WRITE}

    @extend_schema(
        summary="Add a webhook endpoint",
        description=(
            "Every event of the types from now on is posted to the URL, signed as Standard "
            "Webhooks has it with the `secret`, which is shown in this answer alone. Without "
            "types it is told of everything."
        ),
        operation_id="webhook_endpoints_create",
        request=NewWebhookEndpoint,
        responses={201: WebhookEndpointWithSecretShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request) -> HttpResponse:
        values = validated(NewWebhookEndpoint, request)
        facts = RequestFacts.of(request, key_required=False, is_locking=True)
        book_id, actor = facts.book_id, request.auth.actor  # type: ignore[union-attr]

        def create(endpoint_id: UUID) -> None:
            services.create_endpoint(
                book_id=book_id,
                endpoint_id=endpoint_id,
                url=values["url"],
                event_types=values["event_types"],
                is_enabled=values["enabled"],
                actor=actor,
                now=facts.now,
            )

        def render(endpoint_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            shown = _with_secret(book_id, endpoint_id, secret_id=endpoint_id)
            return 201, shown, False  # never stored: it holds the secret

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="List webhook endpoints, newest first",
        operation_id="webhook_endpoints_list",
        responses={200: WebhookEndpointList},
        parameters=PAGE,
    )
    def get(self, request: Request) -> Response:
        endpoints = selectors.list_endpoints(book_id=book_of(request))
        return paginate(endpoints, request, render=render_endpoint, url=ENDPOINTS_URL, prefix="whe")


class OneWebhookEndpoint(ApiView):
    """One webhook endpoint."""

    scopes = {"GET": READ, "POST": WRITE, "DELETE": WRITE}

    @extend_schema(
        summary="Retrieve a webhook endpoint",
        operation_id="webhook_endpoints_retrieve",
        responses={200: WebhookEndpointShape},
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        query_of(request, ())
        found = selectors.get_endpoint(book_id=book_of(request), id=ids.decode("whe", endpoint_id))
        return Response(render_endpoint(found))

    @extend_schema(
        summary="Change a webhook endpoint",
        description=(
            "A disabled endpoint is told nothing: what is queued waits for it, and what happens "
            "meanwhile is not queued; replay it afterwards."
        ),
        operation_id="webhook_endpoints_update",
        request=WebhookEndpointChanges,
        responses={200: WebhookEndpointShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        values = validated(WebhookEndpointChanges, request)
        decoded = ids.decode("whe", endpoint_id)
        facts = RequestFacts.of(request, key_required=False, is_locking=True)
        book_id, actor = facts.book_id, request.auth.actor  # type: ignore[union-attr]

        def create(_id: UUID) -> None:
            services.update_endpoint(
                book_id=book_id,
                endpoint_id=decoded,
                url=values.get("url"),
                event_types=values.get("event_types"),
                is_enabled=values.get("enabled"),
                actor=actor,
                now=facts.now,
            )

        def render(_made: Any, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            changed = selectors.get_endpoint(book_id=book_id, id=decoded)
            return 200, render_endpoint(changed), True

        return idempotency.run(facts, create, render)

    @extend_schema(
        summary="Delete a webhook endpoint",
        operation_id="webhook_endpoints_delete",
        request=None,
        responses={200: DeletedWebhookEndpointShape},
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        query_of(request, ())
        decoded = ids.decode("whe", endpoint_id)
        services.delete_endpoint(
            book_id=book_of(request),
            endpoint_id=decoded,
            actor=request.auth.actor,  # type: ignore[union-attr]
            now=clock.now(),
        )
        shown = {"id": ids.encode("whe", decoded), "object": "webhook_endpoint", "deleted": True}
        return Response(shown)


class WebhookSecretRotation(ApiView):
    """A new secret for an endpoint, beside the present one for a while."""

    scopes = {"POST": WRITE}

    @extend_schema(
        summary="Rotate a webhook endpoint's secret",
        description=(
            "Deliveries carry a signature of both secrets until the present one ends, so receivers "
            "can change at any moment in between. A third is never live: one that was ending "
            "already ends now."
        ),
        operation_id="webhook_endpoints_rotate_secret",
        request=NewSecret,
        responses={200: WebhookEndpointWithSecretShape},
        parameters=[OPTIONAL_KEY],
    )
    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        values = validated(NewSecret, request)
        decoded = ids.decode("whe", endpoint_id)
        facts = RequestFacts.of(request, key_required=False, is_locking=True)
        book_id, actor = facts.book_id, request.auth.actor  # type: ignore[union-attr]

        def create(secret_id: UUID) -> None:
            services.rotate_secret(
                book_id=book_id,
                endpoint_id=decoded,
                secret_id=secret_id,
                overlap=timedelta(seconds=values["overlap_seconds"]),
                actor=actor,
                now=facts.now,
            )

        def render(secret_id: UUID, _is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
            return 200, _with_secret(book_id, decoded, secret_id=secret_id), False

        return idempotency.run(facts, create, render)


def _with_secret(book_id: UUID, endpoint_id: UUID, *, secret_id: UUID) -> dict[str, Any]:
    """The endpoint, and the secret that this very request made."""
    endpoint = selectors.get_endpoint(book_id=book_id, id=endpoint_id)
    secret = selectors.find_secret(book_id=book_id, endpoint_id=endpoint_id, id=secret_id)
    return {**render_endpoint(endpoint), "secret": secret}
