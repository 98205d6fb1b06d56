"""The day an answer is due comes near, and news that was lost is asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from apps.core import clock, db
from apps.payments.models import Dispute
from apps.payments.services import deadlines, disputes
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import assert_whole, hear, only_dispute, open_dispute
from apps.payments.tests.test_dispute_answers import accept, answer, disputed
from paysys.testing.simulator import Simulator


def reminders(dispute: Dispute) -> int:
    return truth.kinds_of(dispute.id).count("dispute.due_soon")


class TestAReminder:
    def test_is_given_once_at_each_of_its_hours(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, _, _ = disputed(merchant, simulator)
        dispute = only_dispute(merchant)
        due_by = dispute.due_by
        assert due_by is not None
        given = []
        for hours in (100, 71, 70, 25, 24, 10, 3, 1, -1):
            now = due_by - timedelta(hours=hours)
            deadlines.remind(now=now)
            deadlines.remind(now=now)
            given.append(reminders(dispute))

        assert given == [0, 1, 1, 1, 2, 2, 3, 3, 3]
        assert_whole(merchant, simulator, payment_id)

    def test_that_nobody_gave_in_time_is_given_once_for_all_before_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        disputed(merchant, simulator)
        dispute = only_dispute(merchant)
        assert dispute.due_by is not None
        for _ in range(2):
            deadlines.remind(now=dispute.due_by - timedelta(hours=2))
        assert reminders(dispute) == 1

    def test_is_given_of_each_however_many_there_are(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deadlines, "BATCH", 1)
        for amount in (10_000, 5_000, 7_000):
            open_dispute(simulator, merchant.captured(amount))
        hear(simulator)
        last = max(dispute.due_by for dispute in Dispute.objects.all() if dispute.due_by)

        for _ in range(4):
            deadlines.remind(now=last - timedelta(hours=71))

        assert [reminders(dispute) for dispute in Dispute.objects.all()] == [1, 1, 1]

    def test_is_given_again_when_the_day_is_another(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        disputed(merchant, simulator)
        due_by = only_dispute(merchant).due_by
        assert due_by is not None
        # As if the provider had said another day before, of which somebody was reminded.
        Dispute.objects.update(due_by=due_by - timedelta(days=1), reminded_hours=3)

        with db.unit():
            disputes.look(only_dispute(merchant), now=clock.now())
        finish_runs()

        assert only_dispute(merchant).due_by == due_by
        assert deadlines.remind(now=due_by - timedelta(hours=71)) == 1

    @pytest.mark.parametrize("order", ["answer", "accept", "lose"])
    def test_is_not_given_of_what_is_answered_or_over(
        self, merchant: Merchant, simulator: Simulator, order: str
    ) -> None:
        _, dispute_id, reference = disputed(merchant, simulator)
        if order == "answer":
            answer(merchant, dispute_id, uncategorized_text="x")
        elif order == "accept":
            accept(merchant, dispute_id)
        else:
            simulator.decide(reference, "lose")
            hear(simulator)
        dispute = only_dispute(merchant)
        assert dispute.due_by is not None

        assert deadlines.remind(now=dispute.due_by - timedelta(hours=1)) == 0


class TestALookThatNobodyAskedFor:
    def test_finds_what_the_news_was_lost_of(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured(10_000)
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        simulator.decide(reference, "win")
        assert deadlines.look_again(now=clock.now()) == 0, "somebody has just looked"

        with time_machine.travel(clock.now() + timedelta(days=1, seconds=5), tick=False):
            assert deadlines.look_again(now=clock.now()) == 1
            finish_runs()

        assert assert_whole(merchant, simulator, payment_id).status == "WON"
        assert deadlines.look_again(now=clock.now() + timedelta(days=9)) == 0, "it is over"
