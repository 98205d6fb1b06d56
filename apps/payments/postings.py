"""What each event of a payment books: the rows of docs/money-flows.md, one function a row.

References are unique in a book and name the fact that is booked, so a fact that is told twice (by
the answer and by the webhook, say) is booked once. Every function joins the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.core import ids
from apps.core.money import Money
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.ledger.types import Line, credit, debit
from apps.payments.models import (
    Payment,
    Payout,
    Refund,
    Release,
    Reserve,
    SuspenseCase,
    Transfer,
)
from apps.payments.types import RefundStatus


def capture_reference(payment: Payment) -> str:
    return f"capture:{payment.charge_reference}"


def wallet_capture_reference(payment: Payment) -> str:
    return f"capture:wallet:{payment.id}"


def suspense_reference(case: SuspenseCase) -> str:
    return f"suspense:{case.id}"


def credit_reference(payment: Payment) -> str:
    return f"credit:{ids.encode('pay', payment.id)}"


def reserve_reference(refund: Refund) -> str:
    return f"refund:reserve:{ids.encode('re', refund.id)}"


def card_captured(payment: Payment, *, occurred_at: datetime) -> None:
    """The provider holds the card's part now; nobody here owns it yet."""
    gross = payment.money(payment.card_captured)
    post(
        payment.book_id,
        capture_reference(payment),
        "capture",
        [
            debit(chart.provider_clearing(payment.provider), gross),
            credit(chart.PAYMENT_UNALLOCATED, gross),
        ],
        occurred_at,
    )


def transfer_received(payment: Payment, *, occurred_at: datetime) -> None:
    """The customer's money is in our bank account; nobody here owns it yet."""
    gross = payment.money(payment.amount_captured)
    lines = [debit(chart.PLATFORM_BANK, gross), credit(chart.PAYMENT_UNALLOCATED, gross)]
    post(payment.book_id, capture_reference(payment), "capture", lines, occurred_at)


def receipt_set_aside(case: SuspenseCase, *, occurred_at: datetime) -> None:
    """Money came that is not understood; its case says why."""
    amount = case.money
    lines = [debit(chart.PLATFORM_BANK, amount), credit(chart.PLATFORM_SUSPENSE, amount)]
    post(case.book_id, suspense_reference(case), "suspense", lines, occurred_at)


def suspense_explained(case: SuspenseCase, *, occurred_at: datetime) -> None:
    """It is some payment's: not suspense any more, in this book; the payment's own books it."""
    _reverse(case.book_id, suspense_reference(case), occurred_at)


def suspense_returned(case: SuspenseCase, *, occurred_at: datetime) -> None:
    """It has gone back to whom it came from."""
    amount = case.money
    lines = [debit(chart.PLATFORM_SUSPENSE, amount), credit(chart.PLATFORM_BANK, amount)]
    reference = f"suspense:return:{case.id}"
    post(case.book_id, reference, "suspense_return", lines, occurred_at)


def credited(payment: Payment, *, occurred_at: datetime) -> None:
    """The destination is credited the gross, and the merchant pays the fee out of what is pending.

    A conversion passes by `platform:fx` at the mid rate; what the quoted rate leaves is our spread.
    """
    paid = payment.money(payment.amount_captured)
    gross, spread = payment.credit(payment.amount_credited), payment.credit(payment.fx_spread)
    lines = [debit(chart.PAYMENT_UNALLOCATED, paid)]
    if payment.is_converted:
        lines += [credit(chart.PLATFORM_FX, paid), *_debits((chart.PLATFORM_FX, gross + spread))]
    lines += _credits((_destination(payment), gross), (chart.PLATFORM_FX_REVENUE, spread))
    fee = payment.credit(payment.fee)
    if fee.amount:
        lines += [debit(chart.MERCHANT_PENDING, fee), credit(chart.PLATFORM_FEES, fee)]
    post(payment.book_id, credit_reference(payment), "credit", lines, occurred_at)


def credit_undone(payment: Payment, *, occurred_at: datetime) -> None:
    _reverse(payment.book_id, credit_reference(payment), occurred_at)


def refund_reserved(refund: Refund, *, occurred_at: datetime) -> None:
    """The bearer's money is set aside for the customer, and the fee comes back in part.

    A compensation takes what was captured and never credited instead.
    """
    payment, amount = refund.payment, refund.money(refund.amount)
    if refund.is_compensation:
        lines = [debit(chart.PAYMENT_UNALLOCATED, amount), credit(chart.REFUND_PAYABLE, amount)]
    else:
        taken = payment.credit(refund.bearer_amount)
        lines = [*_debits((_bearer(payment), taken)), credit(chart.REFUND_PAYABLE, amount)]
        if payment.is_converted:
            lines += [*_credits((chart.PLATFORM_FX, taken)), debit(chart.PLATFORM_FX, amount)]
    fee = payment.credit(refund.fee_returned)
    if fee.amount:
        lines += [debit(chart.PLATFORM_FEES, fee), credit(chart.MERCHANT_PAYABLE, fee)]
    post(refund.book_id, reserve_reference(refund), "refund_reserve", lines, occurred_at)


def refund_confirmed(refund: Refund, *, occurred_at: datetime) -> None:
    """What the provider, or a person at the bank, has sent back, and what goes into the wallet: a
    posting each.
    """
    payment = refund.payment
    if refund.card_amount:
        source = chart.PLATFORM_BANK
        if not payment.is_by_bank_transfer:
            source = chart.provider_clearing(payment.provider)
        amount = refund.money(refund.card_amount)
        lines = [debit(chart.REFUND_PAYABLE, amount), credit(source, amount)]
        post(refund.book_id, _confirm_reference(refund), "refund", lines, occurred_at)
    if refund.wallet_amount:
        assert refund.to_wallet_id is not None
        amount = refund.money(refund.wallet_amount)
        wallet = chart.wallet_available(refund.to_wallet_id)
        lines = [debit(chart.REFUND_PAYABLE, amount), credit(wallet, amount)]
        post(refund.book_id, f"refund:wallet:{refund.id}", "refund", lines, occurred_at)


def refund_to_merchant(refund: Refund, *, occurred_at: datetime) -> None:
    """What came to a wallet that is closed is the merchant's, who owes it to the customer.

    Of a converted payment it is the merchant's at the payment's rate, through `platform:fx`, and
    may be nothing.
    """
    to_merchant = refund.payment.credit(refund.merchant_amount)
    if refund.status == RefundStatus.FAILED:
        wallet_id, came = refund.payment.destination_wallet_id, to_merchant
    else:
        wallet_id, came = refund.to_wallet_id, refund.money(refund.wallet_amount)
    assert wallet_id is not None
    wallet = chart.wallet_available(wallet_id)
    lines = [*_debits((wallet, came)), *_credits((chart.MERCHANT_PAYABLE, to_merchant))]
    if came.currency != to_merchant.currency:
        lines += _credits((chart.PLATFORM_FX, came)) + _debits((chart.PLATFORM_FX, to_merchant))
    if lines:
        reference = f"refund:merchant:{refund.id}"
        post(refund.book_id, reference, "refund_to_merchant", lines, occurred_at)


def refund_failed(refund: Refund, *, was_confirmed: bool, occurred_at: datetime) -> None:
    """What did not stand goes back where it came from, also after it was confirmed."""
    if was_confirmed and refund.card_amount:
        _reverse(refund.book_id, _confirm_reference(refund), occurred_at)
    if refund.failed_amount == refund.amount:
        _reverse(refund.book_id, reserve_reference(refund), occurred_at)
        return
    # The card's part alone: the wallet has its cash.
    payment, amount = refund.payment, refund.money(refund.failed_amount)
    back, fee = payment.credit(refund.failed_bearer_amount), payment.credit(refund.failed_fee)
    lines = [debit(chart.REFUND_PAYABLE, amount), *_credits((_bearer(payment), back))]
    if payment.is_converted:
        lines += [credit(chart.PLATFORM_FX, amount), *_debits((chart.PLATFORM_FX, back))]
    if fee.amount:
        lines += [debit(chart.MERCHANT_PAYABLE, fee), credit(chart.PLATFORM_FEES, fee)]
    reference = f"undo:{reserve_reference(refund)}"
    post(refund.book_id, reference, "refund_reserve", lines, occurred_at)


def transferred(transfer: Transfer, *, occurred_at: datetime) -> None:
    amount = Money(transfer.amount, transfer.currency)
    lines = [
        debit(chart.wallet_available(transfer.from_wallet_id), amount),
        credit(chart.wallet_available(transfer.to_wallet_id), amount),
    ]
    reference = f"transfer:{ids.encode('tr', transfer.id)}"
    post(transfer.book_id, reference, "transfer", lines, occurred_at)


def released(release: Release, *, occurred_at: datetime) -> None:
    """What has become payable, less what was taken back of it: the sum, if it is any."""
    amount = Money(release.amount, release.currency)
    lines = [*signed(chart.MERCHANT_PENDING, amount), *signed(chart.MERCHANT_PAYABLE, -amount)]
    if lines:
        post(release.book_id, f"release:{release.id}", "release", lines, occurred_at)


def reserve_kept(reserve: Reserve, *, occurred_at: datetime) -> None:
    amount = Money(reserve.amount, reserve.currency)
    lines = [debit(chart.MERCHANT_PAYABLE, amount), credit(chart.MERCHANT_RESERVE, amount)]
    post(reserve.book_id, f"reserve:keep:{reserve.id}", "reserve_keep", lines, occurred_at)


def reserve_freed(reserve: Reserve, *, occurred_at: datetime) -> None:
    amount = Money(reserve.amount, reserve.currency)
    lines = [debit(chart.MERCHANT_RESERVE, amount), credit(chart.MERCHANT_PAYABLE, amount)]
    post(reserve.book_id, f"reserve:free:{reserve.id}", "reserve_free", lines, occurred_at)


def payout_reserved(payout: Payout, *, occurred_at: datetime) -> None:
    """The money is promised to the bank. Guarded: never more than there is."""
    amount = payout.money(payout.amount)
    lines = [
        debit(_drawn_on(payout), amount, guarded=True),
        credit(chart.PAYOUT_IN_TRANSIT, amount),
    ]
    post(payout.book_id, _payout_reserve_reference(payout), "payout_reserve", lines, occurred_at)


def payout_paid(payout: Payout, *, occurred_at: datetime) -> None:
    amount = payout.money(payout.amount)
    clearing = chart.provider_clearing(payout.provider)
    lines = [debit(chart.PAYOUT_IN_TRANSIT, amount), credit(clearing, amount)]
    reference = f"payout:{payout.id}"
    post(payout.book_id, reference, "payout", lines, occurred_at)


def payout_failed(payout: Payout, *, occurred_at: datetime) -> None:
    """It never left: the money is where it came from."""
    _reverse(payout.book_id, _payout_reserve_reference(payout), occurred_at)


def payout_returned(payout: Payout, *, occurred_at: datetime) -> None:
    """It was paid, and the bank has sent it back: a new fact, not an undo."""
    amount = payout.money(payout.amount)
    clearing = chart.provider_clearing(payout.provider)
    lines = [debit(clearing, amount), credit(_drawn_on(payout), amount)]
    reference = f"payout:return:{payout.id}"
    post(payout.book_id, reference, "payout_return", lines, occurred_at)


def payout_to_merchant(payout: Payout, *, occurred_at: datetime) -> None:
    """What came back to a wallet that is closed is the merchant's, who owes it to the customer."""
    amount = payout.money(payout.amount)
    lines = [debit(_drawn_on(payout), amount), credit(chart.MERCHANT_PAYABLE, amount)]
    reference = f"payout:merchant:{payout.id}"
    post(payout.book_id, reference, "payout_to_merchant", lines, occurred_at)


def settled(
    *,
    book_id: UUID,
    provider: str,
    line_reference: str,
    gross: Money,
    provider_fee: Money,
    occurred_at: datetime,
) -> None:
    """A line the provider paid out: its gross leaves clearing, its fee is kept, the net travels.

    `gross` is negative for a refund; `provider_fee` is negative where the provider returns one.
    """
    clearing = chart.provider_clearing(provider)
    lines = [
        *signed(chart.BANK_IN_TRANSIT, gross - provider_fee),
        *signed(chart.provider_fees(provider), provider_fee),
        *signed(clearing, -gross),
    ]
    post(book_id, f"settlement:{line_reference}", "settlement", lines, occurred_at)


def signed(code: str, amount: Money) -> list[Line]:
    """A debit for a positive amount, a credit for a negative one, no line for nothing."""
    if not amount.amount:
        return []
    return [debit(code, amount) if amount.amount > 0 else credit(code, -amount)]


def _destination(payment: Payment) -> str:
    """Whose the captured money becomes: pending for the merchant, at once for a wallet."""
    if payment.destination_wallet_id is not None:
        return chart.wallet_available(payment.destination_wallet_id)
    return chart.MERCHANT_PENDING


def _bearer(payment: Payment) -> str:
    """Who gives back: the merchant out of its payable money, or the wallet that was topped up."""
    if payment.destination_wallet_id is not None:
        return chart.wallet_available(payment.destination_wallet_id)
    return chart.MERCHANT_PAYABLE


def _drawn_on(payout: Payout) -> str:
    """Whose money it is: a customer's for a withdrawal, else the merchant's."""
    if payout.wallet_id is not None:
        return chart.wallet_available(payout.wallet_id)
    return chart.MERCHANT_PAYABLE


def _payout_reserve_reference(payout: Payout) -> str:
    return f"payout:reserve:{payout.id}"


def _credits(*parts: tuple[str, Money]) -> list[Line]:
    return [credit(code, amount) for code, amount in parts if amount.amount]


def _debits(*parts: tuple[str, Money]) -> list[Line]:
    return [debit(code, amount) for code, amount in parts if amount.amount]


def _confirm_reference(refund: Refund) -> str:
    return f"refund:{refund.provider_reference}"


def post(
    book_id: UUID, reference: str, kind: str, lines: list[Line], occurred_at: datetime
) -> None:
    """See `ledger.post`."""
    ledger.post(
        book_id=book_id, reference=reference, kind=kind, lines=lines, occurred_at=occurred_at
    )


def _reverse(book_id: UUID, reference: str, occurred_at: datetime) -> None:
    ledger.reverse(
        book_id=book_id,
        reference=reference,
        reversal_reference=f"undo:{reference}",
        occurred_at=occurred_at,
    )
