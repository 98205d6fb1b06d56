"""Paying out: reserve, send, arrive, confirm; for a merchant's payout as for a wallet's withdrawal.

RESERVE is part of the commit that accepts the payout, under the lock with which its amount was
decided (`services.payouts`). From then on only the provider's word ends it: paid, or failed and
back. A bank that sends the money back days after it was paid is a new fact, and a run of its own.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from apps.core import ids
from apps.core.errors import CardError, Conflict
from apps.core.money import to_minor
from apps.core.types import Actor
from apps.gateways import services as gateways
from apps.gateways.types import (
    AddBankRequest,
    InspectPayoutRequest,
    PayOutRequest,
    PayoutStatus,
    ProviderPayout,
    Request,
    freeze,
)
from apps.idempotency import services as idempotency
from apps.merchants import selectors as merchants
from apps.merchants import services as merchants_services
from apps.payments import balance, items, payout_selectors, postings, records
from apps.payments.models import Payout
from apps.payments.types import PayoutStatus as Status
from apps.sagas.definition import (
    Abort,
    Context,
    Decision,
    Local,
    Ready,
    Remote,
    Saga,
    Skip,
    Wait,
    nothing,
)
from apps.wallets import services as holding

# News that comes before a run waits for it finds nobody to tell: so the first look is soon.
FIRST_CHECK = timedelta(minutes=10)
# A webhook tells sooner.
CHECK = timedelta(hours=6)
SYSTEM: Actor = "system"


class BankAccountRemoved(Conflict):
    """The account that the money was to go to is no more."""

    code = "bank_account_removed"
    says = "The bank account was removed."


class PayoutFailed(CardError):
    """The bank did not take the money."""

    code = "payout_failed"
    says = "The bank did not take the money."


# --- reserve, and its undo ------------------------------------------------------------------------


def reserve(context: Context) -> None:
    """Set the money aside, and note from which lines of the balance it is."""
    payout: Payout = context.subject
    postings.payout_reserved(payout, occurred_at=context.now)
    balance.paid_out(payout, now=context.now)
    items.take(payout)


def give_back(context: Context) -> None:
    """It never left: everything is as before, and the payout has failed."""
    payout: Payout = context.subject
    _require_owner(payout)
    abort = context.run.abort or {}
    payout.mark_failed()
    payout.failure_code = (abort.get("decline_code") or abort.get("code") or "")[:60]
    payout.failed_at = context.now
    records.save_payout(payout, event="payout.failed", actor=SYSTEM, now=context.now)
    postings.payout_failed(payout, occurred_at=context.now)
    items.give_back(payout)
    balance.payout_failed(payout, now=context.now)
    _hand_on(payout, context.now)


# --- send -----------------------------------------------------------------------------------------


def send(context: Context) -> Decision:
    """Tell the provider where the money goes, if it does not know, and then to send it.

    :raises BankAccountRemoved: nothing is sent to an account that was removed.
    """
    payout: Payout = context.subject
    if "pay_out" in context.results:
        return Skip()
    account = merchants.get_bank_account(book_id=payout.book_id, id=payout.bank_account_id)
    if account.removed_at is not None:
        raise BankAccountRemoved
    destination = account.provider_reference
    if "add_bank" in context.results:
        destination = context.results["add_bank"].provider_reference
    if context.answered == "add_bank":
        merchants_services.name_bank_account(
            book_id=payout.book_id, bank_account_id=account.id, provider_reference=destination
        )
    # Once its removal was answered, nothing more is promised to the account.
    merchants_services.require_bank_account(book_id=payout.book_id, bank_account_id=account.id)
    if not destination:
        return _ready(
            AddBankRequest(
                provider=payout.provider,
                payment_id=payout.id,
                bank_account_id=account.id,
                bank_account_public_id=ids.encode("ba", account.id),
            )
        )
    return _ready(
        PayOutRequest(
            provider=payout.provider,
            payment_id=payout.id,
            destination=destination,
            amount_minor=to_minor(payout.money(payout.amount)),
            currency=payout.currency,
            payout_public_id=ids.encode("po", payout.id),
            ordered_at=payout.created_at.isoformat(),
        )
    )


def sent(context: Context) -> None:
    """The provider has it, which is what whoever asked waits to hear."""
    payout: Payout = context.subject
    told = ProviderPayout.from_json(context.results["pay_out"].result)
    payout.mark_in_transit()
    payout.provider_reference = told.provider_reference
    payout.expected_on = date.fromisoformat(told.expected_on) if told.expected_on else None
    payout.sent_at = context.now
    records.save_payout(payout, event="payout.in_transit", actor=SYSTEM, now=context.now)


# --- arrive, confirm ------------------------------------------------------------------------------


def arrive(context: Context) -> Decision:
    """Wait until the provider says that it was paid.

    :raises PayoutFailed: the bank did not take it, and the provider has the money again.
    """
    told = _last_told(context)
    if told.status is PayoutStatus.PAID:
        return Skip()
    if told.status is PayoutStatus.FAILED:
        raise PayoutFailed(decline_code=told.provider_code or None)
    if context.answered:
        return Wait(context.now + CHECK, "payout_in_transit")
    if context.waited_for:
        return _inspect(context.subject)
    return Wait(context.now + FIRST_CHECK, "payout_in_transit")


def confirm(context: Context) -> None:
    payout: Payout = context.subject
    payout.mark_paid()
    payout.paid_at = context.now
    records.save_payout(payout, event="payout.paid", actor=SYSTEM, now=context.now)
    postings.payout_paid(payout, occurred_at=context.now)
    idempotency.let_expire(resource_id=payout.id, now=context.now)


def close(context: Context, _abort: Abort) -> None:
    idempotency.let_expire(resource_id=context.run.subject_id, now=context.now)


# --- news of a payout that had been paid: the bank may send it back days later --------------------


def check(context: Context) -> Decision:
    return Skip() if "inspect_payout" in context.results else _inspect(context.subject)


def checked(context: Context) -> None:
    payout: Payout = context.subject
    told = _last_told(context)
    if told.status is not PayoutStatus.FAILED or payout.status != Status.PAID:
        return
    _require_owner(payout)
    payout.mark_returned()
    payout.failure_code = (told.provider_code or PayoutFailed.code)[:60]
    payout.returned_at = context.now
    records.save_payout(payout, event="payout.returned", actor=SYSTEM, now=context.now)
    postings.payout_returned(payout, occurred_at=context.now)
    items.give_back(payout)
    balance.payout_returned(payout, now=context.now)
    _hand_on(payout, context.now)


# --- small things ---------------------------------------------------------------------------------


def _require_owner(payout: Payout) -> None:
    """The money goes back to whose it is.

    A wallet that was closed meanwhile takes none: it stays where it is in the books, and a person,
    who sees the run that needs one, gives it to the merchant (`services.redirecting`).
    """
    if payout.wallet_id is None or payout.to_merchant_at is not None:
        return
    try:
        holding.require_open_now(book_id=payout.book_id, wallet_id=payout.wallet_id)
    except holding.WalletClosed as error:
        raise RuntimeError("the wallet that the withdrawal came from is closed") from error


def _hand_on(payout: Payout, now: datetime) -> None:
    """What has just come back to a closed wallet goes on to the merchant, if a person said so."""
    if payout.to_merchant_at is not None:
        postings.payout_to_merchant(payout, occurred_at=now)
        balance.payout_to_merchant(payout, now=now)


def _inspect(payout: Payout) -> Decision:
    return _ready(
        InspectPayoutRequest(
            provider=payout.provider,
            payment_id=payout.id,
            provider_reference=payout.provider_reference,
        )
    )


def _ready(request: Request) -> Decision:
    """A payout's calls have a slot of their own, and its runs follow each other: it is free."""
    return Ready(str(request.operation), freeze(request))


def _last_told(context: Context) -> ProviderPayout:
    """What the provider said last: when it was looked at, or when it was sent."""
    seen = context.results.get("inspect_payout")
    if seen is not None:
        return ProviderPayout.from_json(seen.result)
    return ProviderPayout.from_json(context.run.results["SEND"]["pay_out"]["result"])


PAYOUT = Saga(
    "payout",
    steps=(
        Local(reserve, undo=give_back),
        Remote(send, calls=(gateways.ADD_BANK, gateways.PAY_OUT), then=sent, undo=nothing),
        Remote(arrive, calls=(gateways.INSPECT_PAYOUT,), then=nothing, undo=nothing),
        Local(confirm, undo=nothing),
    ),
    journal=gateways.journal,
    load=payout_selectors.get,
    on_abort=close,
)

PAYOUT_CHECK = Saga(
    "payout_check",
    steps=(Remote(check, calls=(gateways.INSPECT_PAYOUT,), then=checked, undo=nothing),),
    journal=gateways.journal,
    load=payout_selectors.get,
    on_abort=lambda _context, _abort: None,
)
