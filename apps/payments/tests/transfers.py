"""Payments by bank transfer, and the bank's statement about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.core import clock
from apps.payments import services
from apps.payments.models import Payment, SuspenseCase
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.types import CaseStatus

HEADER = "bank_reference,booked_on,amount,currency,remittance"
Line = tuple[str, str, str]  # the bank's reference, the amount in USD, what the payer wrote


def ask(merchant: Merchant, amount: int = 10_000, **more: Any) -> dict[str, Any]:
    """A payment whose reference the customer has."""
    answer = merchant.pay(amount, "bank_transfer", **more)
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def reference_of(made: dict[str, Any]) -> str:
    return str(made["next_action"]["reference"])


def statement(*lines: Line, currency: str = "USD") -> str:
    today = clock.now().date().isoformat()
    told = [f"{name},{today},{amount},{currency},{text}" for name, amount, text in lines]
    return "\n".join([HEADER, *told, ""])


def bank_tells(*lines: Line, currency: str = "USD") -> None:
    """The statement comes, is booked, and whoever is concerned goes on."""
    bank_tells_of(statement(*lines, currency=currency))


def bank_tells_of(text: str) -> None:
    tell(text)
    finish_runs()


def tell(text: str) -> None:
    now = clock.now()
    services.import_statement(text=text, actor="staff:1", now=now)
    services.match_undecided(now=now)


def time_is_over(merchant: Merchant, payment_id: str) -> None:
    """As if the days that a transfer has were over: the payment's run is due."""
    payment = merchant.payment(payment_id)
    Payment.objects.filter(id=payment.id).update(expected_by=payment.created_at)
    truth.make_due(payment)


def cases() -> Sequence[SuspenseCase]:
    return list(SuspenseCase.objects.filter(status=CaseStatus.OPEN).order_by("id"))


def reasons() -> list[str]:
    return sorted(str(case.reason) for case in cases())
