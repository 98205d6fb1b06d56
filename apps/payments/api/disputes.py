"""The REST face of disputes: look, answer, give up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, StrictSerializer, TextField, paginate, query_of, validated
from apps.core.errors import InvalidRequest
from apps.gateways.types import EVIDENCE, FILE_PURPOSES, DisputeReason, DisputeStage
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import answers, dispute_selectors, public
from apps.payments.api.requests import CURSORS, IDEMPOTENCY_KEY, caller_of
from apps.payments.models import Dispute
from apps.payments.serializers import list_of
from apps.payments.services import dispute_orders, evidence, evidence_files
from apps.payments.types import DisputeStatus

FILTERS = ("status", "payment")
KNOWN = [str(status) for status in DisputeStatus if status is not DisputeStatus.REPORTED]


class Texts(StrictSerializer):
    """What can be said, by name; an empty text takes back what was said before."""

    def get_fields(self) -> dict[str, Any]:
        return {
            name: TextField(required=False, allow_blank=True, max_length=longest)
            for name, longest in EVIDENCE.items()
        }


class Files(StrictSerializer):
    """Which file shows what, by its id; an empty one takes it out of the answer."""

    def get_fields(self) -> dict[str, Any]:
        return {
            purpose: TextField(required=False, allow_blank=True, max_length=40)
            for purpose in FILE_PURPOSES
        }


class GiveEvidence(StrictSerializer):
    texts = Texts(required=False)
    files = Files(required=False)
    submit = serializers.BooleanField(
        required=False, help_text="Send it to the bank, once and for all; without, it is kept."
    )


class AcceptDispute(StrictSerializer):
    """Nothing to say: what is given up is the whole dispute."""


class DisputeShape(serializers.Serializer[Any]):
    """A payer's objection to a payment. Amounts in minor units; times in ISO 8601, UTC."""

    id = serializers.CharField(help_text="dp_…")
    object = serializers.ChoiceField(choices=["dispute"])
    payment = serializers.CharField(help_text="pay_…")
    status = serializers.ChoiceField(choices=KNOWN)
    stage = serializers.ChoiceField(choices=[str(stage) for stage in DisputeStage])
    reason = serializers.ChoiceField(choices=[str(reason) for reason in DisputeReason])
    network_reason_code = serializers.CharField(allow_null=True)
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    amount_open = serializers.IntegerField(help_text="Set aside while it is undecided.")
    amount_lost = serializers.IntegerField()
    amount_withdrawn = serializers.IntegerField(help_text="By the provider's statement.")
    amount_returned = serializers.IntegerField()
    charged_to_merchant = serializers.IntegerField(
        help_text="Of your balance, or of the topped-up wallet, in `charged_currency`."
    )
    excess_charged = serializers.IntegerField(
        help_text="Of your balance, for what went out beyond the payment, in `charged_currency`."
    )
    charged_currency = serializers.CharField()
    fee = serializers.IntegerField(help_text="The provider's, passed on.")
    provider = serializers.CharField()
    due_by = serializers.DateTimeField(allow_null=True)
    evidence_submitted_at = serializers.DateTimeField(allow_null=True)
    evidence_received_at = serializers.DateTimeField(allow_null=True)
    accept_requested_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class EvidenceShape(serializers.Serializer[Any]):
    """What is kept for the answer, and what we would say ourselves; `texts` goes before."""

    object = serializers.ChoiceField(choices=["dispute_evidence"])
    dispute = serializers.CharField(help_text="dp_…")
    texts = serializers.DictField(child=serializers.CharField())
    suggested = serializers.DictField(child=serializers.CharField())
    files = serializers.DictField(child=serializers.CharField(help_text="file_…, by purpose"))


DisputeList = list_of(DisputeShape, "DisputeList")


class Disputes(ApiView):
    scopes = {"GET": "disputes:read"}

    @extend_schema(
        summary="List disputes, newest first",
        operation_id="disputes_list",
        responses=DisputeList,
        parameters=[OpenApiParameter(name, str, required=False) for name in FILTERS],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, (*FILTERS, *CURSORS))
        return paginate(
            dispute_selectors.list_disputes(caller_of(request).book_id).filter(_filter(query)),
            request,
            render=public.render_dispute,
            url="/v1/disputes",
            prefix="dp",
            filters=FILTERS,
        )


class OneDispute(ApiView):
    scopes = {"GET": "disputes:read"}

    @extend_schema(
        summary="Look at a dispute", operation_id="disputes_retrieve", responses=DisputeShape
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        query_of(request, ())
        return Response(public.render_dispute(_get(request, dispute_id)))


class _Order(ApiView):
    """An order about a dispute: written down once under its key, carried out by the saga."""

    def carry_out(
        self, request: Request, dispute_id: str, order: Callable[..., Dispute]
    ) -> HttpResponse:
        caller, id_ = caller_of(request), ids.decode("dp", dispute_id)

        def create(_: UUID) -> Dispute:
            now: datetime = clock.now()
            return order(book_id=caller.book_id, dispute_id=id_, actor=caller.actor, now=now)

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            dispute = dispute_selectors.get(caller.book_id, id_) if is_taken_over else made
            return 200, public.render_dispute(dispute), True

        return idempotency.run(RequestFacts.of(request, is_locking=True), create, render)


class Evidence(_Order):
    scopes = {"GET": "disputes:read", "POST": "disputes:write"}

    @extend_schema(
        summary="Look at what is kept for the answer to a dispute",
        operation_id="disputes_retrieve_evidence",
        responses=EvidenceShape,
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        query_of(request, ())
        dispute = _get(request, dispute_id)
        return Response(
            {
                "object": "dispute_evidence",
                "dispute": ids.encode("dp", dispute.id),
                "texts": evidence.read(book_id=dispute.book_id, dispute_id=dispute.id),
                "suggested": evidence.suggested(dispute),
                "files": {
                    file.purpose: ids.encode("file", file.id)
                    for file in evidence_files.list_files(
                        book_id=dispute.book_id, dispute_id=dispute.id
                    )
                    if file.purpose
                },
            }
        )

    @extend_schema(
        summary="Keep texts and name files for the answer to a dispute, or send it",
        description="A dispute is answered once; what you do not say we say of what we know.",
        operation_id="disputes_give_evidence",
        request=GiveEvidence,
        responses=DisputeShape,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, dispute_id: str) -> HttpResponse:
        values = validated(GiveEvidence, request)
        submit = values.get("submit", False)
        if not submit and not values.get("texts") and not values.get("files"):
            raise InvalidRequest("texts: what is to be kept.", param="texts")
        files = {
            purpose: ids.decode("file", file_id) if file_id else None
            for purpose, file_id in values.get("files", {}).items()
        }

        def order(**facts: Any) -> Dispute:
            return dispute_orders.give_evidence(
                texts=values.get("texts", {}), files=files, submit=submit, **facts
            )

        return self.carry_out(request, dispute_id, order)


class Accept(_Order):
    scopes = {"POST": "disputes:write"}

    @extend_schema(
        summary="Give a dispute up",
        operation_id="disputes_accept",
        request=AcceptDispute,
        responses=DisputeShape,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, dispute_id: str) -> HttpResponse:
        validated(AcceptDispute, request)
        return self.carry_out(request, dispute_id, dispute_orders.accept)


def _get(request: Request, dispute_id: str) -> Dispute:
    return dispute_selectors.get(caller_of(request).book_id, ids.decode("dp", dispute_id))


def _filter(query: dict[str, str]) -> Q:
    found = Q()
    if "status" in query:
        if query["status"] not in KNOWN:
            raise InvalidRequest(f"status: one of {', '.join(KNOWN)}.", param="status")
        found &= Q(status=query["status"])
    if "payment" in query:
        found &= Q(payment_id=ids.decode("pay", query["payment"]))
    return found
