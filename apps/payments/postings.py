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
from apps.payments.models import Payment, Refund


def capture_reference(payment: Payment) -> str:
    return f"capture:{payment.charge_reference}"


def credit_reference(payment: Payment) -> str:
    return f"credit:{ids.encode('pay', payment.id)}"


def reserve_reference(refund: Refund) -> str:
    return f"refund:reserve:{ids.encode('re', refund.id)}"


def captured(payment: Payment, *, occurred_at: datetime) -> None:
    """The provider holds the money now; nobody here owns it yet."""
    gross = payment.money(payment.amount_captured)
    _post(
        payment.book_id,
        capture_reference(payment),
        "capture",
        [
            debit(chart.provider_clearing(payment.provider), gross),
            credit(chart.PAYMENT_UNALLOCATED, gross),
        ],
        occurred_at,
    )


def credited(payment: Payment, *, occurred_at: datetime) -> None:
    """The merchant is credited the gross, and pays the fee out of it."""
    gross, fee = payment.money(payment.amount_captured), payment.money(payment.fee)
    lines = [debit(chart.PAYMENT_UNALLOCATED, gross), credit(chart.MERCHANT_PENDING, gross)]
    if fee.amount:
        lines += [debit(chart.MERCHANT_PENDING, fee), credit(chart.PLATFORM_FEES, fee)]
    _post(payment.book_id, credit_reference(payment), "credit", lines, occurred_at)


def credit_undone(payment: Payment, *, occurred_at: datetime) -> None:
    _reverse(payment.book_id, credit_reference(payment), occurred_at)


def refund_reserved(refund: Refund, *, occurred_at: datetime) -> None:
    """The merchant's money is set aside for the customer, and the fee comes back in part.

    A compensation takes what was captured and never credited instead.
    """
    amount, fee = refund.money(refund.amount), refund.money(refund.fee_returned)
    bearer = chart.PAYMENT_UNALLOCATED if refund.is_compensation else chart.MERCHANT_PAYABLE
    lines = [debit(bearer, amount), credit(chart.REFUND_PAYABLE, amount)]
    if fee.amount:
        lines += [debit(chart.PLATFORM_FEES, fee), credit(chart.MERCHANT_PAYABLE, fee)]
    _post(refund.book_id, reserve_reference(refund), "refund_reserve", lines, occurred_at)


def refund_confirmed(refund: Refund, provider: str, *, occurred_at: datetime) -> None:
    amount = refund.money(refund.amount)
    _post(
        refund.book_id,
        _confirm_reference(refund),
        "refund",
        [debit(chart.REFUND_PAYABLE, amount), credit(chart.provider_clearing(provider), amount)],
        occurred_at,
    )


def refund_failed(refund: Refund, *, was_confirmed: bool, occurred_at: datetime) -> None:
    """A merchant's refund goes back where it came from, also after it was confirmed."""
    if was_confirmed:
        _reverse(refund.book_id, _confirm_reference(refund), occurred_at)
    _reverse(refund.book_id, reserve_reference(refund), occurred_at)


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
        *_signed(chart.BANK_IN_TRANSIT, gross - provider_fee),
        *_signed(chart.provider_fees(provider), provider_fee),
        *_signed(clearing, -gross),
    ]
    _post(book_id, f"settlement:{line_reference}", "settlement", lines, occurred_at)


def _signed(code: str, amount: Money) -> list[Line]:
    """A debit for a positive amount, a credit for a negative one, no line for nothing."""
    if not amount.amount:
        return []
    return [debit(code, amount) if amount.amount > 0 else credit(code, -amount)]


def _confirm_reference(refund: Refund) -> str:
    return f"refund:{refund.provider_reference}"


def _post(
    book_id: UUID, reference: str, kind: str, lines: list[Line], occurred_at: datetime
) -> None:
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
