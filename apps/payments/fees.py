"""A payment's fee: what capture costs, and what comes back when part of it is refunded."""

from __future__ import annotations

from decimal import Decimal

from apps.core.money import Money, prorate
from apps.merchants.types import FeeQuote, fee_on
from apps.payments.models import Payment


def freeze(quote: FeeQuote) -> dict[str, object]:
    """The plan's numbers as the payment keeps them."""
    return {
        "fee_basis_points": quote.basis_points,
        "fee_fixed": quote.fixed.amount,
        "fee_returns_percentage": quote.returns_percentage,
        "fee_returns_fixed": quote.returns_fixed,
    }


def charge(payment: Payment) -> None:
    """Set the fee of what was captured, and the most of it that refunds may bring back."""
    fixed = payment.money(payment.fee_fixed)
    fee = fee_on(
        payment.money(payment.amount_captured), basis_points=payment.fee_basis_points, fixed=fixed
    ).amount
    fixed_part = min(fixed.amount, fee)
    nothing = Decimal(0)
    payment.fee = fee
    payment.amount_credited = payment.amount_captured
    payment.fee_returnable = (fee - fixed_part if payment.fee_returns_percentage else nothing) + (
        fixed_part if payment.fee_returns_fixed else nothing
    )


def returned_by(payment: Payment, amount: Money) -> Money:
    """What a further refund of `amount` brings back.

    Cumulative, so that no rounding is ever lost or made: the share of everything refunded so far
    and now, less what came back before. A refund that failed took its own rounding along, so that
    a later one may find a little too much or too little returned: never less than nothing comes
    back, and never more than is refunded. Needs the payment as it is under its lock.
    """
    captured = payment.money(payment.amount_captured)
    refunded = payment.money(payment.refund_reserved) + amount
    share = prorate(payment.money(payment.fee_returnable), min(refunded, captured), captured)
    due = share - payment.money(payment.fee_returned)
    return max(payment.money(Decimal(0)), min(due, amount))
