"""Statements in any order, cut anywhere, told any number of times: one end, and clean books.

And at the very same moment: the money, the end of its time, a person's decision.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import clock
from apps.payments import services
from apps.payments.models import BankReceipt, SuspenseCase
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.test_suspense import allocate, attempt
from apps.payments.tests.threads import at_once
from apps.sagas import services as engine
from paysys.testing.tables import empty


def lines_about(first: str, second: str) -> list[transfers.Line]:
    """Two payments of 100.00: one is paid twice and more, the other never quite."""
    return [
        *(("b1", "100.00", first), ("b2", "100.00", first), ("b3", "30.00", first)),
        *(("b4", "60.00", second), ("b5", "40.00", second), ("b6", "100.01", second)),
        *(("b7", "100.00", "RF18539007547034"), ("b8", "100.00", "")),
    ]


def standing(merchant: Merchant, payments: list[str]) -> Any:
    """Everything that a statement changes, but which of two same lines came first."""
    return (
        [str(merchant.payment(payment).status) for payment in payments],
        Counter((case.reason, case.amount) for case in SuspenseCase.objects.all()),
        truth.postings_in(merchant),
        merchant.balance("platform:bank"),
        merchant.balance("platform:suspense"),
        merchant.balance("merchant:pending"),
        BankReceipt.objects.count(),
    )


class TestAnyOrderOfLines:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    def test_ends_in_one_state(self, data: st.DataObject) -> None:
        empty(connection)
        merchant = make_merchant()
        made = [transfers.ask(merchant) for _ in range(2)]
        payments = [each["id"] for each in made]
        lines = data.draw(st.permutations(lines_about(*map(transfers.reference_of, made))))
        told = 0
        while told < len(lines):  # files that overlap, each perhaps told again, perhaps unbooked
            start = data.draw(st.integers(0, told))
            end = data.draw(st.integers(told + 1, len(lines)))
            text = transfers.statement(*lines[start:end])
            for _ in range(data.draw(st.integers(1, 2))):
                services.import_statement(text=text, actor="system", now=clock.now())
            if data.draw(st.booleans()):
                services.match_undecided(now=clock.now())
            if data.draw(st.booleans()):
                engine.sweep()
            assert truth.violations() == {}
            told = end
        services.match_undecided(now=clock.now())
        finish_runs()

        reasons = [("already_paid", 100), ("short", 30), ("short", 40), ("short", 60)]
        reasons += [("over", truth.Decimal("100.01"))] + [("unknown_reference", 100)] * 2
        statuses, cases, postings, bank, suspense, _, receipts = standing(merchant, payments)
        assert statuses == ["SETTLED", "AUTHORIZED"]
        assert cases == Counter(reasons)
        assert postings == {"capture": 1, "credit": 1, "suspense": 5}
        assert (bank.amount, suspense.amount) == (truth.Decimal("430.01"), truth.Decimal("330.01"))
        assert receipts == 8
        assert truth.violations() == {}


class TestAtTheSameMoment:
    @pytest.mark.parametrize("_round", range(5))
    def test_the_money_and_the_end_of_its_time_meet_in_one_end(
        self, merchant: Merchant, _round: int
    ) -> None:
        made = [transfers.ask(merchant) for _ in range(6)]
        for each in made:
            transfers.time_is_over(merchant, each["id"])
        text = transfers.statement(
            *((f"b{i}", "100.00", transfers.reference_of(each)) for i, each in enumerate(made))
        )

        at_once([partial(transfers.tell, text), engine.sweep, engine.sweep])
        truth.finish_everything()

        statuses = Counter(str(merchant.payment(each["id"]).status) for each in made)
        late = [case for case in transfers.cases() if case.reason == "too_late"]
        assert set(statuses) <= {"SETTLED", "FAILED"}
        assert len(late) == len(transfers.cases()) == statuses["FAILED"]
        for each in made:
            payment = merchant.payment(each["id"])
            assert len(truth.kinds_of(payment.id)) == payment.version
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize("_round", range(5))
    def test_a_decision_the_money_and_the_end_of_its_time_meet_in_one_end(
        self, merchant: Merchant, _round: int
    ) -> None:
        """Somebody puts two parts together while the whole comes again and the time is over."""
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)
        transfers.bank_tells(("b1", "60.00", reference), ("b2", "40.00", reference))
        parts = list(transfers.cases())
        transfers.time_is_over(merchant, made["id"])
        again = transfers.statement(("b3", "100.00", reference))

        ends = at_once(
            [
                *[partial(attempt, partial(allocate, parts, made["id"]))] * 2,
                *(partial(transfers.tell, again), engine.sweep),
            ]
        )
        truth.finish_everything()

        status = str(merchant.payment(made["id"]).status)
        is_allocated = "done" in ends
        assert Counter(ends)["done"] <= 1
        assert status == ("SETTLED" if is_allocated else status)
        expected = [] if is_allocated else ["short", "short"]
        if is_allocated:
            expected += ["already_paid"]
        elif status == "FAILED":
            expected += ["too_late"]
        assert transfers.reasons() == sorted(expected)
        truth.assert_nothing_is_left_over()

    def test_many_who_book_book_once(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)
        lines = [(f"b{i}", "100.00", reference) for i in range(6)]
        services.import_statement(text=transfers.statement(*lines), actor="system", now=clock.now())

        booked = at_once([partial(services.match_undecided, now=clock.now())] * 6)
        finish_runs()

        assert sum(booked) == 6
        assert transfers.reasons() == ["already_paid"] * 5
        assert merchant.balance("platform:bank").amount == 600
        assert truth.violations() == {}
