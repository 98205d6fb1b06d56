"""How a payment or a refund is answered: the status, the body, and whether that is for good."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any

from django.conf import settings

from apps.core import db
from apps.core.errors import CardError
from apps.idempotency.types import Finality
from apps.payments import dispute_selectors, payout_selectors, public, selectors, services
from apps.payments.models import Payment, Payout, Refund
from apps.payments.states import FINAL
from apps.payments.types import PayoutStatus, RefundStatus, Status
from apps.sagas import selectors as sagas_selectors
from apps.sagas import services as sagas
from apps.sagas import types as sagas_types

Answer = tuple[int, dict[str, Any], bool | Finality]

_NO_ANSWER_YET = (Status.CREATED, Status.VALIDATED)
_REFUSED = (Status.FAILED, Status.REJECTED)


class PaymentRefused(CardError):
    """The payment failed; `error.payment` is the payment as it stands."""

    code = "card_declined"


class PaymentRejected(PaymentRefused):
    """We rejected the payment before anybody was asked for money."""

    code = "payment_rejected"


class RefundRefused(CardError):
    """The provider could not give the money back; `error.refund` is the refund as it stands."""

    code = "refund_failed"


class PayoutRefused(CardError):
    """Nobody took the money, which is back; `error.payout` is the payout as it stands."""

    code = "payout_failed"


def payment_body(payment: Payment, *, expand: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A payment as the API answers it: as it stands, and how sure we are of that."""
    outcome, next_check_at = "known", None
    if payment.is_awaited:
        outcome = "pending"
    elif payment.status not in _REFUSED:
        outcome, next_check_at = selectors.outcome_of(payment)
        if outcome == "known" and payment.is_with_the_bank:
            outcome = "pending"
    body = public.render_payment(payment)
    body["outcome"] = outcome
    body["next_check_at"] = public.time(next_check_at)
    if "refunds" in expand:
        refunds = selectors.list_refunds(payment.book_id, payment.id).order_by("-id")
        body["refunds"] = [public.render_refund(refund) for refund in refunds]
    if "disputes" in expand:
        found = dispute_selectors.list_disputes(payment.book_id, payment.id).order_by("-id")
        body["disputes"] = [public.render_dispute(dispute) for dispute in found]
    if "saga" in expand:
        run = selectors.find_charge_run(payment)
        body["saga"] = run and sagas_selectors.public(run, subject=public.payment_id(payment))
    if "ledger" in expand:
        body["ledger"] = [public.render_posting(p) for p in selectors.postings_of(payment)]
    return body


def payment_answer(started: services.Started) -> Answer:
    """Drive the run of a new payment until its answer point, or until the budget is over."""
    payment, is_fresh = _drive(started)
    assert isinstance(payment, Payment)
    return answer_of(payment, is_fresh=is_fresh)


def answer_of(payment: Payment, *, is_fresh: bool = False) -> Answer:
    """The answer that a payment's present state is.

    `is_fresh`: the run has just let go of it, and stored the answer if that is AUTHORIZED, or
    the end of a payment that is whole in one commit.

    :raises PaymentRefused: it failed or was rejected.
    """
    if payment.status in _REFUSED:
        raise _refusal(payment)
    if payment.status in _NO_ANSWER_YET:
        return 202, payment_body(payment), False
    if is_fresh and (payment.status == Status.AUTHORIZED or payment.is_done_at_once):
        return 201, known(payment), Finality.STORED
    return 201, payment_body(payment), Finality.FINAL


def known(payment: Payment) -> dict[str, Any]:
    """The body of a payment whose run has just reached its answer point: no call is under way."""
    outcome = "pending" if payment.is_awaited or payment.is_with_the_bank else "known"
    return {**public.render_payment(payment), "outcome": outcome, "next_check_at": None}


def capture_answer(payment: Payment) -> Answer:
    """Have a capture carried out; past the budget it goes on without us: 202.

    :raises PaymentRefused: the provider declined to capture what it had authorized.
    :raises NotCapturable: the authorization was gone when we came to take the money.
    """
    payment = _carried_out(payment)
    if payment.status in _REFUSED:
        raise _refusal(payment)
    if payment.status == Status.VOIDED:
        raise services.NotCapturable("The payment is VOIDED.", payment=payment_body(payment))
    return _order_answer(payment, is_done=payment.is_captured)


def void_answer(payment: Payment) -> Answer:
    """Have a void carried out; past the budget it goes on without us: 202."""
    payment = _carried_out(payment)
    return _order_answer(payment, is_done=payment.status in FINAL)


def _carried_out(payment: Payment) -> Payment:
    """Drive the run that has an order, and see how far it came."""
    run = selectors.find_charge_run(payment)
    future = sagas.drive_again(run.id) if run is not None else None
    if future is not None:
        with suppress(NotYet):
            future.result(timeout=settings.PAYSYS_ANSWER_SECONDS)
    return selectors.get(payment.book_id, payment.id)


def _order_answer(payment: Payment, *, is_done: bool) -> Answer:
    return (200 if is_done else 202), payment_body(payment), is_done


def refund_answer(started: services.Started) -> Answer:
    """Drive the run of a new refund until it is confirmed, pending or refused."""
    refund, _ = _drive(started)
    assert isinstance(refund, Refund)
    return refund_answer_of(refund)


def refund_answer_of(refund: Refund) -> Answer:
    """The answer that a refund's present state is: pending at the provider is an answer too."""
    if refund.status == RefundStatus.FAILED:
        raise RefundRefused(
            decline_code=public.return_code(refund), refund=public.render_refund(refund)
        )
    if refund.status == RefundStatus.SUCCEEDED:
        return 201, public.render_refund(refund), True
    run = selectors.find_refund_run(refund)
    is_accepted = run is not None and run.waiting_for == "refund_pending"
    return (201 if is_accepted else 202), public.render_refund(refund), is_accepted


def payout_answer(started: services.Started) -> Answer:
    """Drive the run of a new payout until the provider has it, or until the budget is over."""
    payout, _ = _drive(started)
    assert isinstance(payout, Payout)
    return payout_answer_of(payout)


def payout_answer_of(payout: Payout) -> Answer:
    """The answer that a payout's present state is: to be with the provider is an answer.

    :raises PayoutRefused: it failed.
    """
    if payout.status == PayoutStatus.FAILED:
        raise PayoutRefused(decline_code=public.return_code(payout), payout=payout_body(payout))
    is_sent = payout.status != PayoutStatus.PENDING
    return (201 if is_sent else 202), payout_body(payout), is_sent


def payout_body(payout: Payout) -> dict[str, Any]:
    """A payout as the API answers it: as it stands, and how sure we are of that."""
    outcome, next_check_at = payout_selectors.outcome_of(payout)
    return {
        **public.render_payout(payout),
        "outcome": outcome,
        "next_check_at": public.time(next_check_at),
    }


def _drive(started: services.Started) -> tuple[Payment | Refund | Payout, bool]:
    """Wait for the run's pool thread; past the budget the run goes on without us.

    Says whether the subject is what the run let go of, or a row read meanwhile.
    """
    assert not db.is_open()
    if started.run.status == sagas_types.Status.COMPLETED:  # in the very commit that began it
        return started.subject, True
    future: Future[sagas_types.Progress] | None = sagas.drive(started.run, subject=started.subject)
    if future is not None:
        try:
            progress = future.result(timeout=settings.PAYSYS_ANSWER_SECONDS)
        except NotYet:
            pass
        else:
            return progress.subject, True
    subject = started.subject
    if isinstance(subject, Payout):
        return payout_selectors.get(subject.book_id, subject.id), False
    return selectors.reread(subject), False


def _refusal(payment: Payment) -> PaymentRefused:
    refused = PaymentRejected if payment.status == Status.REJECTED else PaymentRefused
    return refused(
        payment.failure_message,
        decline_code=payment.failure_code or None,
        payment=payment_body(payment),
    )
