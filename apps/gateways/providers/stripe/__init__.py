"""Stripe, with its own SDK: PaymentIntents created unconfirmed, confirmed by id, captured by id.

This is the code that runs in production; with no key configured it talks to the simulator.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BytesIO
from itertools import islice
from typing import Any, ClassVar, Final
from urllib.parse import quote

import stripe
from stripe.params import (
    AccountExternalAccountCreateParams,
    AccountExternalAccountCreateParamsBankAccount,
    BalanceTransactionListParams,
    DisputeUpdateParams,
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    PayoutCreateParams,
    RefundCreateParams,
)

from apps.gateways.providers.base import Provider, judge
from apps.gateways.providers.stripe import errors, events, objects
from apps.gateways.providers.stripe.transport import Transport
from apps.gateways.providers.stripe.units import to_stripe
from apps.gateways.types import (
    AcceptDisputeRequest,
    AddBankRequest,
    AnswerRules,
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    Declined,
    Operation,
    OutcomeUnknown,
    PayOutRequest,
    ProviderBank,
    ProviderDispute,
    ProviderEvent,
    ProviderFile,
    ProviderPayment,
    ProviderPayout,
    ProviderRefund,
    RefundRequest,
    Request,
    StatementLine,
    StrongAuthentication,
    SubmitEvidenceRequest,
    Topic,
    UploadFileRequest,
    VoidRequest,
)
from apps.merchants.types import BankDetails

# What Stripe's answers look like is decided here, not by the account's default.
API_VERSION: Final = "2026-10-28.endive"
# Stripe takes files at an address of their own; a double has one.
API_BASE: Final = "https://api.stripe.com"
FILES_BASE: Final = "https://files.stripe.com"
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 20.0
# Stripe prunes keys after 24 hours.
HORIZON_SECONDS: Final = 20 * 3600.0
PAGE_SIZE: Final = 100
# Refunds of one payment, payouts to one account: beyond this somebody has to look.
MAX_REFUNDS: Final = 1_000
MAX_PAYOUTS: Final = 1_000
# Their clock and ours need not agree about when a payout was ordered.
CLOCKS_DIFFER: Final = timedelta(hours=1)

# What Stripe takes for one dispute: its files together, so each alone (docs.stripe.com/file-upload,
# docs.stripe.com/disputes/responding).
FILES_BYTES: Final = 4_500_000
ANSWERS: Final = AnswerRules(file_bytes=FILES_BYTES, files_bytes=FILES_BYTES, uploads=True)

_INTENTS: Final = "/v1/payment_intents"
_REFUNDS: Final = "/v1/refunds"
_PAYOUTS: Final = "/v1/payouts"
_DISPUTES: Final = "/v1/disputes"
_EXPAND: Final = ["latest_charge"]

# Off for the whole process: latencies and an installation id are nobody's business.
stripe.enable_telemetry = False
# At INFO the SDK logs every URL, at DEBUG every body.
logging.getLogger("stripe").setLevel(logging.WARNING)

# What reading an answer that is not Stripe's can raise, in the SDK's own code as in ours.
_UNREADABLE: Final = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


class Stripe(Provider):
    """One instance serves all threads of a process."""

    name: ClassVar[str] = "stripe"
    capabilities: ClassVar[frozenset[Operation]] = frozenset(Operation)
    horizon_seconds: ClassVar[Mapping[Operation, float]] = dict.fromkeys(Operation, HORIZON_SECONDS)
    topics: ClassVar[Mapping[str, Topic]] = events.TOPICS

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str,
        account: str = "",
        webhook_secrets: Sequence[str] = (),
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._account = account
        self._webhook_secrets = tuple(webhook_secrets)
        base = api_base.rstrip("/")
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base, "files": FILES_BASE if base == API_BASE else base},
            stripe_version=API_VERSION,
            max_network_retries=0,
            http_client=Transport(connect_seconds=connect_seconds, read_seconds=read_seconds),
        )

    # --- operations -------------------------------------------------------------------------------

    def create(self, request: CreateRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentCreateParams = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            # Nobody but the bank captures a debit, so that creating one is no order to capture yet.
            "capture_method": "automatic" if request.is_debit else str(request.capture_method),
            "payment_method": request.token,
            # No method that leads the customer away from 3-D Secure's page to a bank's.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {
                objects.META_PAYMENT: request.payment_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        if request.customer_reference:
            params["customer"] = request.customer_reference
        if request.statement_suffix:
            params["statement_descriptor_suffix"] = request.statement_suffix
        return self._operated(request, _INTENTS, params, op_key)

    def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentConfirmParams = {"expand": _EXPAND}
        if request.return_url:
            params["return_url"] = request.return_url
        if request.sca is StrongAuthentication.REQUIRED:
            params["payment_method_options"] = {"card": {"request_three_d_secure": "challenge"}}
        if request.mandate_at:
            agreed = int(datetime.fromisoformat(request.mandate_at).timestamp())
            params["mandate_data"] = {
                "customer_acceptance": {"type": "offline", "accepted_at": agreed}
            }
        path = f"{_INTENTS}/{quote(request.provider_reference, safe='')}/confirm"
        return self._operated(request, path, params, op_key)

    def capture(self, request: CaptureRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentCaptureParams = {
            "amount_to_capture": to_stripe(request.amount_minor, request.currency),
            "expand": _EXPAND,
        }
        path = f"{_INTENTS}/{quote(request.provider_reference, safe='')}/capture"
        return self._operated(request, path, params, op_key)

    def void(self, request: VoidRequest, *, op_key: str) -> ProviderPayment:
        params: PaymentIntentCancelParams = {
            "cancellation_reason": "abandoned" if request.expired else "requested_by_customer",
            "expand": _EXPAND,
        }
        path = f"{_INTENTS}/{quote(request.provider_reference, safe='')}/cancel"
        return self._operated(request, path, params, op_key)

    def refund(self, request: RefundRequest, *, op_key: str) -> ProviderRefund:
        params: RefundCreateParams = {
            "payment_intent": request.provider_reference,
            "amount": to_stripe(request.amount_minor, request.currency),
            "reason": "fraudulent" if request.fraudulent else "requested_by_customer",
            "metadata": {
                objects.META_REFUND: request.refund_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        with _asking():
            return objects.refund(self._ask("post", _REFUNDS, params, op_key))

    def add_bank(
        self, request: AddBankRequest, details: BankDetails, *, op_key: str
    ) -> ProviderBank:
        bank: AccountExternalAccountCreateParamsBankAccount = {
            "object": "bank_account",
            "account_holder_name": details.holder,
            "account_number": details.number,
            "country": details.country,
            "currency": details.currency.lower(),
        }
        if details.routing_number:
            bank["routing_number"] = details.routing_number
        params: AccountExternalAccountCreateParams = {
            "external_account": bank,
            "metadata": {
                objects.META_BANK: request.bank_account_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        path = f"/v1/accounts/{quote(self._account, safe='')}/external_accounts"
        with _asking():
            return ProviderBank(provider_reference=self._ask("post", path, params, op_key)["id"])

    def pay_out(self, request: PayOutRequest, *, op_key: str) -> ProviderPayout:
        params: PayoutCreateParams = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            "destination": request.destination,
            "metadata": {
                objects.META_PAYOUT: request.payout_public_id,
                objects.META_OP_KEY: op_key,
            },
        }
        with _asking():
            return objects.payout(self._ask("post", _PAYOUTS, params, op_key))

    def upload_file(self, request: UploadFileRequest, *, op_key: str) -> ProviderFile:
        [file] = request.files.values()
        content = BytesIO(file.content)
        content.name = file.name  # as the SDK reads it
        with _asking():
            answer = self._client.raw_request(
                "post",
                "/v1/files",
                purpose="dispute_evidence",
                file=content,
                base="files",
                content_type="multipart/form-data",
                idempotency_key=op_key,
            )
            return ProviderFile(provider_reference=answer.data["id"])

    def submit_evidence(self, request: SubmitEvidenceRequest, *, op_key: str) -> ProviderDispute:
        params: DisputeUpdateParams = {"evidence": objects.evidence(request), "submit": True}
        path = f"{_DISPUTES}/{quote(request.provider_reference, safe='')}"
        with _asking():
            return objects.dispute(self._ask("post", path, params, op_key))

    def accept_dispute(self, request: AcceptDisputeRequest, *, op_key: str) -> ProviderDispute:
        path = f"{_DISPUTES}/{quote(request.provider_reference, safe='')}/close"
        with _asking():
            return objects.dispute(self._ask("post", path, {}, op_key))

    # --- questions --------------------------------------------------------------------------------

    def find_payment(self, reference: str) -> ProviderPayment:
        with _asking():
            path = f"{_INTENTS}/{quote(reference, safe='')}"
            return objects.payment(self._ask("get", path, {"expand": _EXPAND}))

    def find_refund(self, reference: str) -> ProviderRefund:
        with _asking():
            return objects.refund(self._ask("get", f"{_REFUNDS}/{quote(reference, safe='')}", {}))

    def find_refunds(self, payment_reference: str) -> Iterator[ProviderRefund]:
        with _asking():
            page = self._client.v1.refunds.list(
                {"payment_intent": payment_reference, "limit": PAGE_SIZE}
            )
            found = [
                objects.refund(refund.to_dict())
                for refund in islice(page.auto_paging_iter(), MAX_REFUNDS + 1)
            ]
        if len(found) > MAX_REFUNDS:
            raise OutcomeUnknown("too_many_refunds", payment_reference, alert=True)
        return iter(found)

    def find_dispute(self, reference: str) -> ProviderDispute:
        with _asking():
            path = f"{_DISPUTES}/{quote(reference, safe='')}"
            return objects.dispute(self._ask("get", path, {}))

    def find_payout(self, reference: str) -> ProviderPayout:
        with _asking():
            return objects.payout(self._ask("get", f"{_PAYOUTS}/{quote(reference, safe='')}", {}))

    def find_payouts(self, request: PayOutRequest) -> Iterator[ProviderPayout]:
        since = datetime.fromisoformat(request.ordered_at) - CLOCKS_DIFFER
        with _asking():
            page = self._client.v1.payouts.list(
                {
                    "destination": request.destination,
                    "created": {"gte": int(since.timestamp())},
                    "limit": PAGE_SIZE,
                }
            )
            found = [
                objects.payout(payout.to_dict())
                for payout in islice(page.auto_paging_iter(), MAX_PAYOUTS + 1)
            ]
        if len(found) > MAX_PAYOUTS:
            raise OutcomeUnknown("too_many_payouts", request.destination, alert=True)
        return iter(found)

    def statement_lines(
        self, *, since: datetime | None = None, payout: str = ""
    ) -> Iterator[StatementLine]:
        """Newest first. Of the lines of a payout the payout's own is one."""
        params: BalanceTransactionListParams = {"limit": PAGE_SIZE, "expand": ["data.source"]}
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        if payout:
            params["payout"] = payout
        with _asking():
            page = self._client.v1.balance_transactions.list(params)
            for found in page.auto_paging_iter():
                yield objects.line(found.to_dict(), payout)

    def parse_event(
        self, raw_body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> ProviderEvent:
        return events.parse(raw_body, headers, secrets=self._webhook_secrets, now=now)

    # --- how it is said ---------------------------------------------------------------------------

    def _operated(
        self, request: Request, path: str, params: Mapping[str, Any], op_key: str
    ) -> ProviderPayment:
        """Make a call that changes something, and read its answer or its refusal.

        "Not in this state" is answered by the state: what we asked for may have been done before.
        """
        with _asking():
            try:
                return objects.payment(self._ask("post", path, params, op_key))
            except stripe.StripeError as error:
                payment = _payment_in(error)
                if payment is None:
                    raise
                if errors.is_state_conflict(error):
                    if judge(request, payment) is None:
                        raise Declined("provider_rejected", payment=payment) from error
                    return payment
                outcome = errors.translated(error)
                if isinstance(outcome, Declined):
                    outcome.payment = payment
                raise outcome from error

    def _ask(
        self, verb: str, path: str, params: Mapping[str, Any], op_key: str = ""
    ) -> Mapping[str, Any]:
        """One request. The answer as plain JSON: the SDK's objects cost half of a call's CPU."""
        key = {"idempotency_key": op_key} if op_key else {}
        answer = self._client.raw_request(verb, path, **params, **key)
        found: Mapping[str, Any] = answer.data
        return found


@contextmanager
def _asking() -> Iterator[None]:
    """Turn the SDK's exceptions into ours, and every failure to read an answer as well."""
    try:
        yield
    except stripe.StripeError as error:
        raise errors.translated(error) from error
    except _UNREADABLE as error:
        # An answer that cannot be read may belong to a call that succeeded.
        raise OutcomeUnknown(
            "malformed_answer", f"{type(error).__name__}: {error}", alert=True
        ) from error


def _payment_in(error: stripe.StripeError) -> ProviderPayment | None:
    """The payment that Stripe sent along with its error, if it can be read."""
    found = errors.intent_of(error)
    try:
        return objects.payment(found) if found else None
    except _UNREADABLE:
        return None
