"""Disputes of the provider's side, and what we hear of them."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.core import clock, ids
from apps.core.money import Money
from apps.payments import services
from apps.payments.models import Dispute
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.types import NewRefund
from paysys.testing.simulator import Simulator

DISPUTED, PAYABLE = "merchant:disputed", "merchant:payable"
WITHDRAWN, CLEARING = "provider:stripe:disputed", "provider:stripe:clearing"
EXCESS = "platform:excess"


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def open_dispute(simulator: Simulator, payment_id: str, **facts: Any) -> str:
    """The provider's id of a dispute that the cardholder has just opened."""
    return str(simulator.dispute(simulator.effects(payment_id)["charge_ids"][0], **facts)["id"])


def hear(simulator: Simulator) -> None:
    """All the news of disputes there is, and whoever asks about them."""
    news.tell(simulator, *{e["type"] for e in simulator.events() if ".dispute." in e["type"]})
    finish_runs()


def make_the_balance_positive(merchant: Merchant) -> None:
    """So that the provider has something to pay out; it is disputed by nobody."""
    merchant.captured(50_000)


def only_dispute(merchant: Merchant) -> Dispute:
    return Dispute.objects.select_related("payment").get(book_id=merchant.book_id)


def assert_whole(
    merchant: Merchant, simulator: Simulator, payment_id: str, *, alone: bool = True
) -> Dispute:
    """The payment and its dispute are told once, and every invariant of every app holds."""
    truth.assert_told_once(merchant, simulator, payment_id, alone=alone)
    dispute = only_dispute(merchant)
    assert len(truth.kinds_of(dispute.id)) == dispute.version
    return dispute


def reserve_refund(merchant: Merchant, payment_id: str, amount: int) -> str:
    """A refund that was accepted, and whose run nobody has moved yet."""
    refund_id = ids.new_id()
    with transaction.atomic():
        services.create_refund(
            refund_id=refund_id,
            book_id=merchant.book_id,
            payment_id=merchant.payment(payment_id).id,
            order=NewRefund(amount_minor=amount),
            actor="system",
            now=clock.now(),
        )
    return ids.encode("re", refund_id)
