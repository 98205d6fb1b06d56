"""Money that may be paid out, where it goes, and what becomes of it there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connections, transaction

from apps.core import clock, ids
from apps.core.money import to_minor
from apps.ledger import chart
from apps.merchants import services as merchants
from apps.merchants.types import BankDetails, Interval
from apps.payments import payout_selectors, services
from apps.payments.models import Payout
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from paysys.testing.simulator import Simulator

ARRIVES, FAILS, RETURNS = "000123456789", "000111111116", "000777777771"
URL = "/v1/payouts"


def agree(merchant: Merchant, **terms: Any) -> None:
    """Terms of payout; unless told otherwise, what is captured is payable the same day."""
    facts: dict[str, Any] = {"interval": Interval.MANUAL, "delay_days": 0, **terms}
    merchants.set_payout_terms(book_id=merchant.book_id, actor="system", now=clock.now(), **facts)


def bank(
    merchant: Merchant,
    number: str = ARRIVES,
    *,
    currency: str = "USD",
    customer_id: UUID | None = None,
    holder: str = "Copper Kettle",
) -> str:
    """A new bank account, the merchant's own or a customer's; its public id."""
    bank_account_id = ids.new_id()
    with transaction.atomic():
        merchants.add_bank_account(
            book_id=merchant.book_id,
            bank_account_id=bank_account_id,
            details=BankDetails(holder, number, "US", currency),
            customer_id=customer_id,
            actor="system",
            now=clock.now(),
        )
    return ids.encode("ba", bank_account_id)


def earn(merchant: Merchant, *amounts: int) -> list[str]:
    """Captured payments of so much, of which 97 % is payable at once; their public ids."""
    agree(merchant)
    payments = [merchant.captured(amount) for amount in amounts]
    services.release(now=clock.now())
    return payments


def standing(merchant: Merchant, currency: str = "USD") -> dict[str, int]:
    """What is pending, payable, kept and on its way, in minor units."""
    codes = {
        "pending": chart.MERCHANT_PENDING,
        "payable": chart.MERCHANT_PAYABLE,
        "reserve": chart.MERCHANT_RESERVE,
        "in_transit": chart.PAYOUT_IN_TRANSIT,
    }
    return {name: to_minor(merchant.balance(code, currency)) for name, code in codes.items()}


def pay_out(merchant: Merchant, amount: int | None = None, **more: Any) -> Any:
    body = {"currency": "USD", **more}
    if amount is not None:
        body["amount"] = amount
    return merchant.post(URL, body)


def paid_out(merchant: Merchant, amount: int | None = None, **more: Any) -> str:
    """The public id of a payout that the provider has."""
    answer = pay_out(merchant, amount, **more)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def payout(merchant: Merchant, public_id: str) -> Payout:
    return payout_selectors.get(merchant.book_id, ids.decode("po", public_id))


def bank_says(simulator: Simulator, merchant: Merchant, public_id: str, result: str) -> None:
    """What the bank does with a payout that was sent: `pay`, `fail` or `return`."""
    simulator.end_payout(payout(merchant, public_id).provider_reference, result)


def end(simulator: Simulator, merchant: Merchant, public_id: str, result: str) -> None:
    """The same, told by the provider's events, and a worker hears of it."""
    reference = payout(merchant, public_id).provider_reference
    if result == "return":
        end(simulator, merchant, public_id, "pay")
    simulator.end_payout(reference, result)
    kind = "payout.paid" if result == "pay" else "payout.failed"
    news.tell(simulator, kind, object_id=reference)
    finish_runs()


def look_again() -> None:
    """The dates of payouts on their way have come: their runs ask what is true."""
    truth.make_payouts_due()
    finish_runs()


def items_of(merchant: Merchant, public_id: str) -> list[tuple[str | None, int]]:
    """What a payout is made of: payment and amount, the newest line first."""
    shown = merchant.get(f"{URL}/{public_id}/items?limit=100").json()["data"]
    return [(item["payment"], item["amount"]) for item in shown]


def close_connections() -> None:
    connections.close_all()
