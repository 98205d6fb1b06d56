"""Statements and what a person decides, killed at every moment: booked once, and all of it."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction

from apps.core import clock
from apps.payments import services
from apps.payments.models import BankReceipt, SuspenseCase
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, make_merchant
from apps.payments.tests.killing import Axe, at_every_moment, survive
from apps.payments.tests.test_crash import killed_at
from apps.payments.tests.test_suspense import allocate, send_back


class Told:
    """A statement of three lines: all of one payment, a part of another, and nobody's."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant, mark = merchant, merchant.public_id[-12:]
        self.whole, self.part = transfers.ask(merchant), transfers.ask(merchant)
        self.text = transfers.statement(
            (f"{mark}-1", "100.00", transfers.reference_of(self.whole)),
            (f"{mark}-2", "60.00", transfers.reference_of(self.part)),
            (f"{mark}-3", "40.00", "?"),
        )
        self.mark = mark

    def come(self) -> None:
        transfers.bank_tells_of(self.text)

    def cases(self) -> list[SuspenseCase]:
        receipts = BankReceipt.objects.filter(bank_reference__startswith=self.mark)
        ids = receipts.values_list("id", flat=True)
        return list(SuspenseCase.objects.filter(id__in=ids).order_by("id"))

    def assert_is_booked(self, where: str) -> None:
        try:
            assert self.merchant.payment(self.whole["id"]).status == "SETTLED"
            assert sorted(str(case.reason) for case in self.cases()) == [
                "short",
                "unknown_reference",
            ]
            assert truth.postings_in(self.merchant) == {"capture": 1, "credit": 1, "suspense": 1}
            truth.assert_nothing_is_left_over()
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error


class TestAStatement:
    def test_comes_again_and_is_booked_once(self) -> None:
        def run(axe: Axe) -> None:
            told = Told(make_merchant())
            survive(axe, told.come)
            truth.finish_everything()
            assert truth.violations() == {}, axe.fell
            told.come()
            truth.finish_everything()
            told.assert_is_booked(axe.fell)

        assert at_every_moment(run) >= 7

    def test_that_was_stored_is_booked_without_coming_again(self) -> None:
        def run(axe: Axe) -> None:
            told = Told(make_merchant())
            now = clock.now()
            services.import_statement(text=told.text, actor="system", now=now)
            survive(axe, lambda: services.match_undecided(now=now))
            services.match_undecided(now=now)
            truth.finish_everything()
            told.assert_is_booked(axe.fell)

        assert at_every_moment(run) >= 3

    @pytest.mark.parametrize(
        "where",
        [
            "after writing WITH w AS (INSERT INTO payments_receipt_",
            *("before writing payments_payment", "after writing payments_payment"),
        ],
    )
    def test_survives_a_process_that_is_killed(self, where: str) -> None:
        told = Told(make_merchant())

        killed_at(where, told.come)

        told.come()
        truth.finish_everything()
        told.assert_is_booked(where)


class TestADecision:
    def test_to_allocate_is_whole_or_was_never_made(self) -> None:
        def run(axe: Axe) -> None:
            told = Told(make_merchant())
            told.come()
            decide = partial(allocate, told.cases(), told.part["id"])
            survive(axe, decide)
            truth.finish_everything()
            assert truth.violations() == {}, axe.fell
            statuses = {case.status for case in told.cases()}
            if statuses == {"OPEN"}:
                decide()
                truth.finish_everything()
            else:
                assert statuses == {"ALLOCATED"}, axe.fell
            assert told.merchant.payment(told.part["id"]).status == "SETTLED", axe.fell
            assert truth.violations() == {}, axe.fell

        assert at_every_moment(run) >= 1

    def test_to_send_back_is_whole_or_was_never_made(self) -> None:
        def run(axe: Axe) -> None:
            told = Told(make_merchant())
            told.come()
            (case, _) = told.cases()
            survive(axe, partial(send_back, case))
            assert truth.violations() == {}, axe.fell
            if told.cases()[0].status == "OPEN":
                send_back(case)
            assert told.cases()[0].status == "RETURNED"
            assert truth.violations() == {}, axe.fell

        assert at_every_moment(run) >= 1


class TestAPaymentWhoseTimeIsOver:
    def test_fails_once_or_is_paid(self) -> None:
        """Killed while it fails; the money comes afterwards, and finds a payment or a case."""

        def run(axe: Axe) -> None:
            told = Told(make_merchant())
            transfers.time_is_over(told.merchant, told.whole["id"])
            survive(axe, truth.finish_everything)
            services.import_statement(text=told.text, actor="system", now=clock.now())
            services.match_undecided(now=clock.now())
            truth.finish_everything()
            status = told.merchant.payment(told.whole["id"]).status
            assert status in ("FAILED", "SETTLED"), axe.fell
            open_cases = {str(case.reason) for case in told.cases()}
            assert ("too_late" in open_cases) == (status == "FAILED"), axe.fell
            truth.assert_nothing_is_left_over()

        assert at_every_moment(run) >= 15


def test_a_decision_that_is_rolled_back_leaves_the_case_open() -> None:
    told = Told(make_merchant())
    told.come()
    case, _ = told.cases()

    with transaction.atomic():
        services.return_to_sender(case_ids=[case.id], actor="staff:1", now=clock.now())
        transaction.set_rollback(True)

    assert {each.status for each in told.cases()} == {"OPEN"}
    assert truth.violations() == {}
