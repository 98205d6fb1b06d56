"""Money in suspense: a person says whose it is, or that it went back; once, whoever clicks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from apps.audit import selectors as audit
from apps.core import clock
from apps.core.errors import DomainError, NotFound
from apps.core.money import Money
from apps.payments import services
from apps.payments.models import SuspenseCase
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.rows import execute
from apps.payments.tests.test_bank_transfers import in_suspense, usd
from apps.payments.tests.threads import at_once

STAFF = "staff:1"


def allocate(cases: Sequence[SuspenseCase], payment: str) -> None:
    now, ids = clock.now(), [case.id for case in cases]
    with transaction.atomic():
        services.allocate(case_ids=ids, payment=payment, actor=STAFF, now=now)


def send_back(case: SuspenseCase) -> None:
    with transaction.atomic():
        services.return_to_sender(case_ids=[case.id], actor=STAFF, now=clock.now())


def attempt(act: Any) -> str:
    """How it ended: done, or the code of the refusal."""
    try:
        act()
    except DomainError as error:
        return error.code
    return "done"


class TestAllocating:
    def test_two_short_payments_make_a_whole_one(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)
        transfers.bank_tells(("b1", "60.00", reference), ("b2", "40.00", reference))
        assert merchant.payment(made["id"]).status == "AUTHORIZED"

        allocate(transfers.cases(), made["id"])
        finish_runs()

        payment = merchant.payment(made["id"])
        assert (payment.status, payment.amount_captured) == ("SETTLED", 100)
        assert merchant.balance("platform:bank") == usd("100.00")
        assert in_suspense(merchant) == (usd("0.00"), usd("0.00"))
        assert truth.postings_in(merchant) == {
            "suspense": 2,
            "undo suspense": 2,
            "capture": 1,
            "credit": 1,
        }
        assert truth.violations() == {}

    def test_money_leaves_the_book_it_came_to_for_the_payments(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        """One part named nobody, another somebody else's payment."""
        made, others = transfers.ask(merchant), transfers.ask(other_merchant)
        transfers.bank_tells(
            ("b1", "60.00", "for the kettle"), ("b2", "40.00", transfers.reference_of(others))
        )

        allocate(transfers.cases(), transfers.reference_of(made))
        finish_runs()

        assert merchant.payment(made["id"]).status == "SETTLED"
        assert merchant.balance("platform:bank") == usd("100.00")
        assert other_merchant.balance("platform:bank") == usd("0.00")
        assert in_suspense(other_merchant) == (usd("0.00"), usd("0.00"))
        assert other_merchant.payment(others["id"]).status == "AUTHORIZED"
        assert truth.violations() == {}

    def test_is_in_the_trail_with_who_did_it(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""))
        (case,) = transfers.cases()

        allocate([case], made["id"])

        opened, allocated = audit.list_entries(book_id=case.book_id, subject_id=case.id)
        assert (opened.actor, allocated.actor) == ("system", STAFF)
        assert allocated.action == "suspense_case.allocated"
        captured = audit.list_entries(
            book_id=merchant.book_id, subject_id=merchant.payment(made["id"]).id
        ).last()
        assert captured is not None
        assert (captured.action, captured.actor) == ("payment.captured", STAFF)

    @pytest.mark.parametrize("amounts", [("60.00", "39.99"), ("60.00", "40.01"), ("99.99",)])
    def test_what_does_not_fit_is_refused(
        self, merchant: Merchant, amounts: tuple[str, ...]
    ) -> None:
        made = transfers.ask(merchant)
        lines = [(f"b{i}", amount, "") for i, amount in enumerate(amounts)]
        transfers.bank_tells(*lines)
        before = truth.counts()

        assert attempt(lambda: allocate(transfers.cases(), made["id"])) == "amount_does_not_fit"

        assert truth.counts() == before
        assert len(transfers.cases()) == len(amounts)

    def test_another_currency_does_not_fit(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""), currency="EUR")

        assert attempt(lambda: allocate(transfers.cases(), made["id"])) == "amount_does_not_fit"

    def test_a_payment_that_has_failed_or_is_paid_takes_no_money(self, merchant: Merchant) -> None:
        late, paid = transfers.ask(merchant), transfers.ask(merchant)
        transfers.time_is_over(merchant, late["id"])
        finish_runs()
        transfers.bank_tells(("b1", "100.00", transfers.reference_of(paid)), ("b2", "100.00", ""))

        for made in (late, paid):
            refused = attempt(partial(allocate, transfers.cases(), made["id"]))
            assert refused == "payment_not_awaited"
        assert truth.violations() == {}

    @pytest.mark.parametrize("payment", ["", "x", "pay_x", "RF18539007547034"])
    def test_of_a_payment_that_is_none_is_refused(self, merchant: Merchant, payment: str) -> None:
        transfers.bank_tells(("b1", "100.00", ""))

        with pytest.raises(NotFound):
            allocate(transfers.cases(), payment)

    def test_a_card_payment_is_not_paid_by_a_transfer(self, merchant: Merchant) -> None:
        made = merchant.pay(capture_method="manual").json()
        transfers.bank_tells(("b1", "100.00", ""))

        with pytest.raises(NotFound):
            allocate(transfers.cases(), made["id"])


class TestSendingBack:
    def test_takes_the_money_out_of_suspense_and_the_bank(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "120.00", transfers.reference_of(made)))
        (case,) = transfers.cases()

        send_back(case)

        assert transfers.cases() == []
        assert merchant.balance("platform:bank") == usd("0.00")
        assert in_suspense(merchant) == (usd("0.00"), usd("0.00"))
        assert merchant.payment(made["id"]).status == "AUTHORIZED"
        assert truth.violations() == {}


class TestACaseIsResolvedOnce:
    @pytest.mark.parametrize("first", ["allocated", "returned"])
    def test_whoever_comes_second_is_refused(self, merchant: Merchant, first: str) -> None:
        made, other = transfers.ask(merchant), transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""))
        (case,) = transfers.cases()
        if first == "allocated":
            allocate([case], made["id"])
        else:
            send_back(case)

        assert attempt(lambda: send_back(case)) == "case_not_open"
        assert attempt(lambda: allocate([case], other["id"])) == "case_not_open"
        finish_runs()
        assert merchant.payment(other["id"]).status == "AUTHORIZED"
        assert truth.violations() == {}

    def test_also_when_all_click_at_once(self, merchant: Merchant) -> None:
        made, other = transfers.ask(merchant), transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""))
        (case,) = transfers.cases()
        clicks = [
            *(partial(allocate, [case], made["id"]) for _ in range(4)),
            *(partial(allocate, [case], other["id"]) for _ in range(2)),
            *(partial(send_back, case) for _ in range(4)),
        ]

        ends = Counter(at_once([partial(attempt, click) for click in clicks]))
        finish_runs()

        assert ends["done"] == 1
        assert set(ends) <= {"done", "case_not_open", "payment_not_awaited"}
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE payments_suspense_case SET amount = amount + 1",
            "UPDATE payments_suspense_case SET status = 'OPEN', resolved_at = NULL",
            "DELETE FROM payments_suspense_case",
            "UPDATE payments_bank_receipt SET amount = amount + 1",
            "DELETE FROM payments_receipt_posting",
            "TRUNCATE payments_virtual_reference",
        ],
    )
    def test_nor_is_it_changed_behind_the_code(self, merchant: Merchant, change: str) -> None:
        transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""))
        send_back(transfers.cases()[0])

        with pytest.raises(DatabaseError), transaction.atomic():
            execute(change)


def test_money_of_suspense_is_in_no_merchants_book_when_nobody_knows_whose_it_is(
    merchant: Merchant,
) -> None:
    transfers.bank_tells(("b1", "100.00", ""))

    assert merchant.balance("platform:bank") == Money("0.00", "USD")
    assert truth.postings_in(merchant) == {}
