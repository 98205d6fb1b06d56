"""PayPal, with its own package as transport: orders created, authorized by id, captured by id.

An order moves no money. A payer known by a vaulted token is charged when it is confirmed; any other
is sent to PayPal, agrees there, and the order is authorized when we look (`inspect`).

This is the code that runs in production; with no client configured it talks to the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from paypalrestsdk.exceptions import ConnectionError as PayPalError
from typing_extensions import override

from apps.gateways.providers.base import Provider, judge
from apps.gateways.providers.connections import Interrupted, NotSent
from apps.gateways.providers.disputing import AboutDispute, is_said
from apps.gateways.providers.paypal import (
    answers,
    disputes,
    errors,
    events,
    objects,
    statement,
)
from apps.gateways.providers.paypal.transport import NoToken, Transport
from apps.gateways.providers.paypal.units import from_paypal, to_paypal
from apps.gateways.types import (
    AcceptDisputeRequest,
    CaptureMethod,
    CaptureRequest,
    ConfirmRequest,
    CreateRequest,
    Declined,
    InspectRequest,
    Operation,
    OutcomeUnknown,
    PaymentStatus,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    StatementLine,
    StrongAuthentication,
    SubmitEvidenceRequest,
    Topic,
    VoidRequest,
)

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 20.0
VERIFY_SECONDS: Final = 5.0
# PayPal keeps keys of orders for six hours and keys of payments for 45 days.
ORDERS_HORIZON_SECONDS: Final = 5 * 3600.0
PAYMENTS_HORIZON_SECONDS: Final = 44 * 86_400.0
# A token that stands for nobody in particular: whoever pays says so at PayPal.
WALLET: Final = "paypal"

_ORDERS: Final = "v2/checkout/orders"
_PAYMENTS: Final = "v2/payments"
_WHOLE: Final = {"Prefer": "return=representation"}
_SAID_NO: Final = (PayPalError, NoToken, NotSent, Interrupted)
# What reading an answer that is not PayPal's can raise.
_UNREADABLE: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)

_OnAnOrder = ConfirmRequest | InspectRequest | CaptureRequest | VoidRequest


class PayPal(Provider):
    """One instance serves all threads of a process."""

    name: ClassVar[str] = objects.PROVIDER
    capabilities: ClassVar[frozenset[Operation]] = frozenset(
        {
            Operation.CREATE,
            Operation.CONFIRM,
            Operation.INSPECT,
            Operation.CAPTURE,
            Operation.VOID,
            Operation.INSPECT_VOID,
            Operation.REFUND,
            Operation.INSPECT_REFUND,
            Operation.INSPECT_DISPUTE,
            Operation.SUBMIT_EVIDENCE,
            Operation.ACCEPT_DISPUTE,
        }
    )
    # A void, and what is said to a dispute, have no key and need none: they can happen once.
    horizon_seconds: ClassVar[Mapping[Operation, float]] = {
        **dict.fromkeys(capabilities, PAYMENTS_HORIZON_SECONDS),
        Operation.CREATE: ORDERS_HORIZON_SECONDS,
        Operation.CONFIRM: ORDERS_HORIZON_SECONDS,
        Operation.INSPECT: ORDERS_HORIZON_SECONDS,
    }
    cancels: ClassVar[bool] = False
    topics: ClassVar[Mapping[str, Topic]] = events.TOPICS

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        api_base: str,
        webhook_id: str = "",
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._webhook_id = webhook_id
        # All requests of one operation together: a token, the order, and what is done with it.
        self._operation_seconds = connect_seconds + read_seconds
        self._api = Transport(
            client_id=client_id,
            client_secret=client_secret,
            api_base=api_base,
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
        )

    # --- operations -------------------------------------------------------------------------------

    def create(self, request: CreateRequest, *, op_key: str) -> ProviderPayment:
        if request.capture_method is not CaptureMethod.MANUAL:
            raise Declined("operation_not_supported")
        amount = to_paypal(request.amount_minor, request.currency)
        unit: dict[str, Any] = {
            "amount": amount,
            "custom_id": request.payment_public_id,
            # PayPal takes money for an invoice once, whatever becomes of our keys.
            "invoice_id": request.payment_public_id,
        }
        if request.statement_suffix:
            unit["soft_descriptor"] = request.statement_suffix
        with self._asking():
            order = self._post(_ORDERS, {"intent": "AUTHORIZE", "purchase_units": [unit]}, op_key)
            _check(order["purchase_units"][0]["amount"], amount)
            return objects.payment(order)

    def confirm(self, request: ConfirmRequest, *, op_key: str) -> ProviderPayment:
        is_known = request.token not in ("", WALLET)
        if not is_known or request.sca is StrongAuthentication.REQUIRED:
            return self._operated(request, lambda: self._ask_the_payer(request))
        source = {"payment_source": _source(request.token)}

        def authorize() -> ProviderPayment:
            try:
                return self._authorized(request.provider_reference, source, op_key)
            except PayPalError as error:
                if errors.issue_of(error) != errors.PAYER_MUST_ACT:
                    raise
                return self._ask_the_payer(request)

        return self._operated(request, authorize)

    def inspect(self, request: InspectRequest) -> ProviderPayment:
        """An order whose payer has agreed is authorized here."""
        return self._operated(
            request, lambda: self._completed(self._order(request.provider_reference))
        )

    def capture(self, request: CaptureRequest, *, op_key: str) -> ProviderPayment:
        """Take the money, and let go of the rest of the authorization."""
        amount = to_paypal(request.amount_minor, request.currency)

        def take() -> ProviderPayment:
            order = self._order(request.provider_reference)
            authorization = objects.authorization_of(order)
            if not authorization:
                raise Declined("not_authorized", payment=objects.payment(order))
            path = f"{_PAYMENTS}/authorizations/{authorization['id']}/capture"
            capture = self._post(path, {"amount": amount, "final_capture": True}, op_key)
            _check(capture["amount"], amount)
            payment = objects.payment(objects.with_part(order, "captures", capture))
            if capture["status"] in objects.NOTHING_TAKEN:
                raise Declined("card_declined", provider_code=capture["status"], payment=payment)
            return payment

        return self._operated(request, take)

    @override
    def void(self, request: VoidRequest, *, op_key: str) -> ProviderPayment:
        """An order that nobody authorized holds nothing: there is nothing to undo at PayPal."""

        def release() -> ProviderPayment:
            order = self._order(request.provider_reference)
            authorization = objects.authorization_of(order)
            if not authorization:
                return _never_authorized(objects.payment(order))
            self._post(f"{_PAYMENTS}/authorizations/{authorization['id']}/void", {})
            voided = {**authorization, "status": "VOIDED"}
            return objects.payment(objects.with_part(order, "authorizations", voided))

        return self._operated(request, release)

    def refund(self, request: RefundRequest, *, op_key: str) -> ProviderRefund:
        amount = to_paypal(request.amount_minor, request.currency)
        with self._asking():
            order = self._order(request.provider_reference)
            capture = objects.capture_of(order)
            if not capture:
                raise OutcomeUnknown("unexpected_state", "nothing was captured", alert=True)
            path = f"{_PAYMENTS}/captures/{capture['id']}/refund"
            told = {
                "amount": amount,
                "custom_id": objects.custom_id(request.refund_public_id, op_key),
            }
            found = self._post(path, told, op_key)
            _check(found["amount"], amount)
            return objects.refund(found, request.provider_reference)

    @override
    def submit_evidence(self, request: SubmitEvidenceRequest, *, op_key: str) -> ProviderDispute:
        with self._asking():
            return disputes.say(self._api, request, answers.evidence(request))

    @override
    def accept_dispute(self, request: AcceptDisputeRequest, *, op_key: str) -> ProviderDispute:
        with self._asking():
            return disputes.say(self._api, request, answers.acceptance())

    # --- questions --------------------------------------------------------------------------------

    def find_payment(self, reference: str) -> ProviderPayment:
        with self._asking():
            return objects.payment(self._order(reference))

    @override
    def find_ended(self, reference: str) -> ProviderPayment:
        """An order cannot be canceled; what nobody was asked to approve, only we could authorize.

        Whether a request of ours to do so can still be under way, the journal has to say.
        """
        with self._asking():
            order = self._order(reference)
            payment = objects.payment(order)
            is_untouched = order["status"] in objects.UNTOUCHED and not objects.authorization_of(
                order
            )
            return _never_authorized(payment) if is_untouched else payment

    def find_refund(self, reference: str) -> ProviderRefund:
        with self._asking():
            return objects.refund(self._get(f"{_PAYMENTS}/refunds/{quote(reference, safe='')}"))

    def find_refunds(self, payment_reference: str) -> Iterator[ProviderRefund]:
        with self._asking():
            return iter(list(objects.refunds_of(self._order(payment_reference))))

    def find_dispute(self, reference: str) -> ProviderDispute:
        with self._asking():
            return disputes.dispute(self._get(disputes.path_of(reference)))

    @override
    def look_up_about_dispute(self, request: AboutDispute) -> ProviderDispute | None:
        """None: it has not been said, for PayPal still offers to hear it."""
        with self._asking():
            found = self._get(disputes.path_of(request.provider_reference))
            told = disputes.dispute(found)
        if is_said(request, told):
            return told
        return None if disputes.offers(found, disputes.ACTION[request.operation]) else told

    def statement_lines(
        self, *, since: datetime | None = None, payout: str = ""
    ) -> Iterator[StatementLine]:
        """Oldest first those since a moment, newest first those of one payout."""
        if payout:
            return statement.paid_out_by(self._report, payout)
        assert since is not None
        return statement.since(self._report, since)

    def parse_event(
        self, raw_body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> ProviderEvent:
        """:raises CannotVerify: PayPal could not be asked whether it is genuine."""
        return events.parse(
            raw_body, headers, webhook_id=self._webhook_id, verify=self._is_genuine, now=now
        )

    # --- how it is said ---------------------------------------------------------------------------

    def _authorized(
        self, reference: str, source: Mapping[str, Any], op_key: str
    ) -> ProviderPayment:
        path = f"{_ORDERS}/{quote(reference, safe='')}/authorize"
        return objects.payment(self._post(path, source, op_key))

    def _completed(self, order: Mapping[str, Any]) -> ProviderPayment:
        """The order as it is; one whose payer has agreed is authorized, whoever comes by to look.

        An order is authorized once, so the key is the order's own.
        """
        if order["status"] != objects.APPROVED or objects.authorization_of(order):
            return objects.payment(order)
        return self._authorized(order["id"], {}, f"{order['id']}:authorize")

    def _ask_the_payer(self, request: ConfirmRequest) -> ProviderPayment:
        """Moves nothing, and may be asked again: it needs no key."""
        experience = {
            # Nothing that takes days after the payer has agreed.
            "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
            "shipping_preference": "NO_SHIPPING",
            "user_action": "PAY_NOW",
        }
        if request.return_url:
            experience |= {"return_url": request.return_url, "cancel_url": request.return_url}
        path = f"{_ORDERS}/{quote(request.provider_reference, safe='')}/confirm-payment-source"
        source = {"payment_source": {"paypal": {"experience_context": experience}}}
        return objects.payment(self._post(path, source))

    def _operated(self, request: _OnAnOrder, act: Callable[[], ProviderPayment]) -> ProviderPayment:
        """Make a call that changes something, and read its answer or its refusal.

        "Not in this state" is answered by the state: what we asked for may have been done before.
        """
        with self._asking():
            try:
                return act()
            except PayPalError as error:
                if errors.issue_of(error) not in errors.STATE_ISSUES:
                    raise
                order = self._order(request.provider_reference)
                if isinstance(request, ConfirmRequest | InspectRequest):
                    payment = self._completed(order)
                else:
                    payment = objects.payment(order)
                if not isinstance(request, InspectRequest) and judge(request, payment) is None:
                    raise Declined("provider_rejected", payment=payment) from error
                return payment

    def _order(self, reference: str) -> Mapping[str, Any]:
        return self._get(f"{_ORDERS}/{quote(reference, safe='')}")

    def _report(self, asked: Mapping[str, str]) -> statement.Page:
        with self._asking():
            return statement.page(self._get(f"v1/reporting/transactions?{urlencode(asked)}"))

    def _is_genuine(self, question: bytes) -> bool:
        with self._asking(min(VERIFY_SECONDS, self._operation_seconds)):
            answer = self._api.post("v1/notifications/verify-webhook-signature", question)
            return bool(answer["verification_status"] == "SUCCESS")

    def _get(self, path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._api.get(path)
        return found

    def _post(self, path: str, body: Mapping[str, Any], op_key: str = "") -> Mapping[str, Any]:
        key = {"PayPal-Request-Id": op_key} if op_key else {}
        found: Mapping[str, Any] = self._api.post(path, body, headers={**_WHOLE, **key})
        return found

    @contextmanager
    def _asking(self, seconds: float | None = None) -> Iterator[None]:
        """Turn the transport's exceptions into ours, and every failure to read an answer as well.

        Everything that is asked inside ends within the time of one operation.
        """
        try:
            with self._api.within(seconds or self._operation_seconds):
                yield
        except _SAID_NO as error:
            raise errors.translated(error) from error
        except _UNREADABLE as error:
            # An answer that cannot be read may belong to a call that succeeded.
            raise OutcomeUnknown(
                "malformed_answer", f"{type(error).__name__}: {error}", alert=True
            ) from error


def _source(token: str) -> Mapping[str, Any]:
    """How a payer is named whom PayPal knows: by a vaulted wallet, or an older agreement."""
    if token.startswith("B-"):
        return {"token": {"id": token, "type": "BILLING_AGREEMENT"}}
    return {"paypal": {"vault_id": token}}


def _check(told: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """A key that PayPal has seen brings back what was done under it, whatever is asked now."""
    if from_paypal(told) != from_paypal(asked):
        raise OutcomeUnknown("key_reused", "the answer is about another amount", alert=True)


def _never_authorized(payment: ProviderPayment) -> ProviderPayment:
    return replace(
        payment, status=PaymentStatus.VOIDED, next_action_url="", void_reason="never_authorized"
    )
