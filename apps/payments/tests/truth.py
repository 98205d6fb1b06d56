"""What must be true of payments when all is over, wherever one looks: rows, events, books, outside.

And what brings the end about: time, which ends leases and makes whatever waits due.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from apps.audit.models import AuditEntry
from apps.core import clock, ids
from apps.core.money import to_minor
from apps.gateways.models import OPEN as OPEN_CALLS
from apps.gateways.models import ProviderCall
from apps.ledger.models import LedgerTransaction
from apps.notifications.models import Event
from apps.payments import selectors, services
from apps.payments.models import Payment, Refund
from apps.payments.tests.conftest import Merchant
from apps.sagas import services as engine
from apps.sagas.models import Run
from apps.sagas.types import OPEN, Status
from paysys.testing import books
from paysys.testing.simulator import Simulator

violations = books.violations

# What a run waits for until somebody outside does something.
SOMEBODY = (
    *("capture", "customer_action", "refund_pending", "refund_refused"),
    *("payout_in_transit", "bank_transfer", "bank_debit"),
)


def pass_time() -> None:
    """Leases of the dead end, and every date comes but those of customers and merchants."""
    waiting = Run.objects.filter(status__in=OPEN)
    waiting.update(lease_until=None)
    waiting.exclude(waiting_for__in=SOMEBODY).update(next_run_at=clock.now())


def wait_for_the_pool() -> None:
    """Until no thread of the web process works on a run any more."""
    end = time.monotonic() + 10
    while Run.objects.exclude(lease_until=None).exists():
        assert time.monotonic() < end, "the pool is still at it"
        time.sleep(0.01)


def finish_everything(limit: int = 40) -> None:
    """Let time pass and the sweeper work until every run has ended or waits for somebody."""
    for _ in range(limit):
        pass_time()
        if not engine.sweep():
            return
    raise AssertionError(f"still open: {list(Run.objects.filter(status__in=OPEN))}")


def settle(simulator: Simulator) -> int:
    """The provider pays out everything, and we book its statement; how many lines were new."""
    simulator.pay_out()
    return book_statement()


def book_statement() -> int:
    """Book what there is of the provider's statement; how many lines were new."""
    now = clock.now()
    return services.settle(provider="stripe", since=now - timedelta(days=1), now=now)


def public(id_: UUID) -> str:
    return ids.encode("pay", id_)


def public_id(payment: Payment) -> str:
    return public(payment.id)


def charge_run_of(payment: Payment) -> Run:
    run = selectors.find_charge_run(payment)
    assert run is not None
    return run


def make_due(payment: Payment) -> None:
    """The date of the payment's run has come, whatever it waits for."""
    _make_due(Run.objects.filter(id=charge_run_of(payment).id))


def make_refunds_due() -> None:
    """The dates of all refunds have come."""
    _make_due(Run.objects.filter(saga="refund"))


def make_payouts_due() -> None:
    """The dates of all payouts on their way have come."""
    _make_due(Run.objects.filter(saga="payout"))


def _make_due(runs: QuerySet[Run]) -> None:
    runs.filter(status__in=OPEN).update(next_run_at=clock.now(), lease_until=None)


def give_up(run: Run) -> Run:
    """As if the run had failed until a person has to look at it."""
    Run.objects.filter(id=run.id).update(
        status=Status.NEEDS_ATTENTION, next_run_at=None, lease_until=None
    )
    return run


def run_of(saga: str) -> Run:
    """The one run of this saga."""
    return Run.objects.get(saga=saga)


def refunds_of(merchant: Merchant, payment_id: str) -> list[Refund]:
    payment = merchant.payment(payment_id)
    return list(Refund.objects.filter(payment_id=payment.id).order_by("id"))


def public_refund(refund: Refund) -> str:
    return ids.encode("re", refund.id)


def kinds_of(subject_id: UUID) -> list[str]:
    """The events of a payment or refund: 1, 2, 3, … without gaps, each with its audit row."""
    events = list(Event.objects.filter(subject_id=subject_id).order_by("sequence"))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    audited = AuditEntry.objects.filter(subject_id=subject_id).order_by("id")
    assert [entry.action for entry in audited] == [event.kind for event in events]
    return [event.kind for event in events]


def postings_in(merchant: Merchant) -> Counter[str]:
    """How many transactions of each kind the merchant's book has; a reversal is `undo …`."""
    found = LedgerTransaction.objects.filter(book_id=merchant.book_id)
    return Counter(f"undo {t.kind}" if t.reverses_id else t.kind for t in found)


def counts() -> dict[str, int]:
    """How many rows each table has: what a refused request must not change."""
    with connection.cursor() as cursor:
        tables = [
            name
            for name in connection.introspection.table_names(cursor)
            if name.startswith(("payments_", "sagas_", "ledger_", "gateways_", "notifications_"))
            or name
            in ("audit_entry", "idempotency_key", "wallets_payment_method", "risk_assessment")
        ]
        found = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
    return found


def assert_nothing_is_left_over() -> None:
    """No open call, no run that nobody moves, every invariant of every app."""
    assert not ProviderCall.objects.filter(outcome__in=OPEN_CALLS).exists()
    assert not Run.objects.filter(status=Status.NEEDS_ATTENTION).exists()
    assert violations() == {}


def assert_told_once(
    merchant: Merchant,
    simulator: Simulator,
    payment_id: str,
    *,
    objects: int = 1,
    alone: bool = True,
) -> Payment:
    """The payment is whole: events without gaps, one charge outside at most, books that agree."""
    payment = merchant.payment(payment_id)
    assert len(kinds_of(payment.id)) == payment.version
    outside = simulator.effects(payment_id)
    assert len(outside["intents"]) <= objects, "one object at the provider"
    assert outside["charges"] <= 1, "one charge at the provider"
    assert outside["captures"] == (1 if payment.card_captured else 0)
    assert outside["amount_captured"] == _minor(payment, payment.card_captured)
    refunds = list(Refund.objects.filter(payment_id=payment.id))
    to_card = sum(r.card_amount for r in refunds if r.status == "SUCCEEDED")
    assert outside["amount_refunded"] == _minor(payment, Decimal(to_card))
    for refund in refunds:
        assert len(kinds_of(refund.id)) == refund.version
    if alone:  # the only payment of this merchant
        parts = (payment.card_captured, payment.wallet_captured)
        assert postings_in(merchant)["capture"] == sum(part > 0 for part in parts)
        assert payment.is_captured or not set(postings_in(merchant)) - {"hold", "cash"}
    assert_nothing_is_left_over()
    return payment


def _minor(payment: Payment, amount: Any) -> int:
    return to_minor(payment.money(amount))
