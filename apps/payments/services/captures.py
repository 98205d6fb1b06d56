"""What is true of a payment from the moment its money is taken, whoever took it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.core.types import Actor
from apps.payments import balance, fees, records
from apps.payments.models import Payment


def note(
    payment: Payment, *, wallet_part: Decimal, rest: Decimal, actor: Actor, now: datetime
) -> None:
    """Write down that so much was taken, and what it costs; whoever took it posts it.

    Transaction: joins the caller's, which posts the same.

    :raises db.GuardFailed: (when sent) the payment has changed since it was read.
    """
    payment.mark_captured()
    payment.wallet_captured = wallet_part
    payment.amount_captured = wallet_part + rest
    payment.captured_at = now
    payment.available_on = balance.available_on(payment, now)
    fees.charge(payment)
    records.save_payment(payment, event="payment.captured", actor=actor, now=now)
