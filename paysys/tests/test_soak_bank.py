"""The outside as the soak plays it: what is said to providers is heard once, and kept."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.payments.models import DisputeLine
from apps.payments.tests.conftest import (  # noqa: F401  fixtures
    database,
    finish_runs,
    make_due,
    make_merchant,
    paypal,
    pool_connections_are_closed,
    stripe_is_simulated,
)
from paysys.soak import books as soaks
from paysys.soak.objections import Bank, has_answer, is_over

pytestmark = pytest.mark.usefixtures("paypal")


@pytest.fixture
def merchant():
    return make_merchant()


class TestABank:
    """Asked over HTTP, as the stories ask it."""

    def test_is_told_of_an_objection_once(self, merchant, simulator):
        payment_id = merchant.captured(10_000)
        bank = Bank(simulator.url, "stripe")
        taken = bank.taken_for(payment_id)
        told, again = (bank.object_to(taken, amount=4_000, is_inquiry=False) for _ in range(2))

        assert told["id"] == again["id"]
        assert (told["charge"], told["amount"], told["status"]) == (taken, 4_000, "needs_response")
        assert not has_answer(told)

    def test_decides_and_what_moved_is_in_its_book(self, merchant, simulator):
        payment_id = merchant.captured(10_000)
        bank = Bank(simulator.url, "stripe")
        opened = bank.object_to(bank.taken_for(payment_id), amount=4_000, is_inquiry=True)
        [asked] = soaks.read_theirs(simulator.url).objections
        bank.decide(opened["id"], "escalate")
        [withheld] = soaks.read_theirs(simulator.url).objections
        bank.decide(opened["id"], "win", amount=1_000)
        bank.decide(opened["id"], "lose")  # it is decided: nothing comes of that

        [found] = soaks.read_theirs(simulator.url).objections

        assert (asked.amount, asked.open, asked.lost, asked.lines) == (4_000, 0, 0, {})
        assert (withheld.open, withheld.lost, withheld.is_over) == (4_000, 0, False)
        assert (found.payment, found.open, found.lost) == (payment_id, 0, 3_000)
        assert sorted(found.lines.values()) == [-4_000, 1_000]
        assert is_over(bank.find(opened["charge"]))

    @pytest.mark.parametrize(("result", "lost"), [("win", 0), ("lose", 5_000)])
    def test_at_paypal_too(self, merchant, simulator, result, lost):
        payment = merchant.pay(5_000, "paypal").json()
        [order] = simulator.paypal.book()
        simulator.paypal.approve(order["id"])
        make_due(merchant.charge_run(payment["id"]))
        finish_runs()
        bank = Bank(simulator.url, "paypal")
        opened = bank.object_to(bank.taken_for(payment["id"]), amount=5_000, is_inquiry=False)
        [withheld] = soaks.read_theirs(simulator.url).objections
        bank.decide(opened["dispute_id"], result)

        [found] = soaks.read_theirs(simulator.url).objections

        assert (withheld.payment, withheld.open) == (payment["id"], 5_000)
        assert (found.open, found.lost, found.is_over) == (0, lost, True)
        assert sum(found.lines.values()) == -lost


class TestTheirStatements:
    def test_are_booked_when_asked_for(self, merchant, simulator):
        """`manage.py settle`: what a dispute has withdrawn is in the books, once."""
        payment_id = merchant.captured(10_000)
        bank = Bank(simulator.url, "stripe")
        bank.object_to(bank.taken_for(payment_id), amount=4_000, is_inquiry=False)

        told, again = StringIO(), StringIO()
        for said in (told, again):
            call_command("settle", stdout=said)

        [found] = soaks.read_theirs(simulator.url).objections
        assert "stripe: 1 lines booked." in told.getvalue()
        assert "stripe: 0 lines booked." in again.getvalue()
        assert [(row.line_reference, row.gross) for row in DisputeLine.objects.all()] == [
            (name, Decimal(amount) / 100) for name, amount in found.lines.items()
        ]

    def test_of_a_provider_that_is_away_are_told_of(self, merchant, simulator):
        simulator.fault("list_lines", "unavailable", times=-1)

        with pytest.raises(CommandError, match="stripe"):
            call_command("settle", stdout=StringIO())
