"""The demo's bank transfers: one awaited, one paid, one paid too little, and money of nobody's.

Not for a stack whose books are to be compared with what a client did: `demo --transfers` alone.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.core.ids import new_id
from apps.core.money import Money
from apps.payments import selectors as payments
from apps.payments import services as paying
from apps.payments.services.bank_statements import COLUMNS
from apps.payments.types import BANK_TRANSFER, NewPayment
from paysys.demo import ACTOR, MERCHANTS

MERCHANT = MERCHANTS[0]
# What is asked for, and what of it has come.
ASKED = (("awaited", "120.00", ""), ("paid", "80.00", "80.00"), ("short", "50.00", "45.00"))
NOBODYS = "33.00"


def seed(*, now: datetime) -> None:
    """Ask for the payments and read the bank's statement about them, once.

    Transaction: one, and one for each receipt. Retries: goes on where it was interrupted.
    """
    with transaction.atomic():
        if payments.find_by_reference(MERCHANT.id, _reference(ASKED[0][0])) is None:
            told = [_ask(name, asked, now) for name, asked, _ in ASKED]
            came = [amount for _, _, amount in ASKED]
            lines = [*zip(came, told, strict=True), (NOBODYS, "thank you")]
            text = [
                f"demo-{number},{now.date()},{amount},{MERCHANT.currency},{remittance}"
                for number, (amount, remittance) in enumerate(lines)
                if amount
            ]
            paying.import_statement(
                text="\n".join([",".join(COLUMNS), *text]), actor=ACTOR, now=now
            )
    paying.match_undecided(now=now)


def _reference(name: str) -> str:
    return f"demo-transfer-{name}"


def _ask(name: str, amount: str, now: datetime) -> str:
    """A payment by bank transfer; what its customer is to write."""
    started = paying.create_payment(
        payment_id=new_id(),
        book_id=MERCHANT.id,
        order=NewPayment(
            Money(amount, MERCHANT.currency), BANK_TRANSFER, reference=_reference(name)
        ),
        actor=ACTOR,
        now=now,
    )
    reference: str = started.subject.next_action["reference"]  # type: ignore[union-attr, index]
    return reference
