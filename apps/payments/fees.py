"""A payment's fee and credit: what capture costs and credits, and what a refund takes back of both.

Whatever comes back in parts comes back cumulatively: the share of all that was refunded so far and
now, less what came back before, so that no rounding is ever lost or made.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.core.money import Money, prorate
from apps.merchants import selectors as merchants
from apps.merchants.types import fee_on
from apps.payments import fx
from apps.payments.models import Payment

_NOTHING = Decimal(0)


def agree(payment: Payment, *, now: datetime, country: str = "", funding: str = "") -> None:
    """Take over the numbers of the plan that holds at `now` for the card's country and funding, if
    they are known.

    :raises NoFeePlan: nobody has agreed what such a payment costs.
    """
    gross = credited_for(payment, payment.money(payment.amount)).credited
    quote = merchants.fee_for(
        book_id=payment.book_id,
        method=payment.method,
        amount=gross,
        country=country,
        funding=funding,
        now=now,
    )
    payment.fee_basis_points = quote.basis_points
    payment.fee_fixed = quote.fixed.amount
    payment.fee_minimum = quote.minimum.amount
    payment.fee_cap = quote.cap.amount if quote.cap else None
    payment.fee_returns_percentage = quote.returns_percentage
    payment.fee_returns_fixed = quote.returns_fixed


def credited_for(payment: Payment, amount: Money) -> fx.Converted:
    """What `amount` of the payment is worth to whom it is credited, at the payment's rates."""
    if not payment.is_converted:
        return fx.Converted(mid=amount, credited=amount, spread=amount * 0)
    assert payment.rate is not None
    assert payment.rate_mid is not None
    return fx.converted(
        amount,
        to_currency=payment.credit_currency,
        rate=payment.rate,
        rate_mid=payment.rate_mid,
    )


def charge(payment: Payment) -> None:
    """Set what the captured amount credits, its fee, and the most of it that refunds bring back."""
    worth = credited_for(payment, payment.money(payment.amount_captured))
    payment.amount_credited = worth.credited.amount
    payment.fx_spread = worth.spread.amount
    fixed = payment.credit(payment.fee_fixed)
    fee = fee_on(
        worth.credited,
        basis_points=payment.fee_basis_points,
        fixed=fixed,
        minimum=payment.credit(payment.fee_minimum),
        cap=payment.credit(payment.fee_cap) if payment.fee_cap is not None else None,
    ).amount
    fixed_part = min(fixed.amount, fee)
    payment.fee = fee
    payment.fee_returnable = (fee - fixed_part if payment.fee_returns_percentage else _NOTHING) + (
        fixed_part if payment.fee_returns_fixed else _NOTHING
    )


def borne_by(payment: Payment, amount: Money) -> Money:
    """What a further refund or dispute of `amount` takes from whom it was credited to.

    Needs the payment as it is under its lock.
    """
    if not payment.is_converted:
        return amount
    out = payment.refund_reserved + payment.disputed_part
    share = _share(payment, payment.credit(payment.amount_credited), payment.money(out) + amount)
    return max(payment.credit(_NOTHING), share - payment.credit(payment.credit_returned))


def returned_by(payment: Payment, amount: Money, *, taken: Money) -> Money:
    """What of the fee a further refund of `amount`, which takes `taken`, brings back.

    A dispute brings nothing back.
    A refund that failed took its own rounding along, so that a later one may find a little too
    much or too little returned: never less than nothing comes back, and never more than the refund
    takes. Needs the payment as it is under its lock.
    """
    refunded = payment.money(payment.refund_reserved) + amount
    share = _share(payment, payment.credit(payment.fee_returnable), refunded)
    due = share - payment.credit(payment.fee_returned)
    return max(payment.credit(_NOTHING), min(due, taken))


def _share(payment: Payment, whole: Money, out: Money) -> Money:
    """The part of `whole` that goes with `out` of what was captured."""
    captured = payment.money(payment.amount_captured)
    return prorate(whole, min(out, captured), captured)
