"""News that nobody could act on at once: swept, kept, and applied again when somebody says so."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.gateways.models import InboundEvent
from apps.gateways.selectors import LIST_LIMIT
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments import services, tasks
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.tills import bank, bank_says, earn, paid_out, payout
from paysys.testing.simulator import Simulator


def receive_strangers(
    count: int, *, seconds_ago: float = 60.0, kind: str = "payment_intent.created"
) -> None:
    """Events about payments that are not known here, as another system's would be."""
    moment = clock.now() - timedelta(seconds=seconds_ago)
    InboundEvent.objects.bulk_create(
        InboundEvent(
            provider="stripe",
            event_id=f"evt_stranger_{number}_{seconds_ago}",
            kind=kind.format(number),
            object_reference=f"pi_stranger_{number}",
            payload={},
            occurred_at=moment,
            received_at=moment,
        )
        for number in range(count)
    )


def sweep(*, after: timedelta = timedelta(seconds=11)) -> None:
    with time_machine.travel(clock.now() + after, tick=False):
        tasks.sweep_events()
        finish_runs()


def misnamed(simulator: Simulator, merchant: Merchant) -> Any:
    """News of a payout under a name of payments' news, so that no payment of its is found."""
    public_id = paid_out(merchant, 1_000)
    bank_says(simulator, merchant, public_id, "pay")
    reference = payout(merchant, public_id).provider_reference
    event = simulator.deliver(simulator.events("payout.paid", object_id=reference)[0])
    return news.renamed(event, "payment_intent.succeeded")


def replay(*options: str) -> str:
    said = io.StringIO()
    call_command("webhooks", "replay", *options, stdout=said)
    return said.getvalue()


class TestTheSweep:
    def test_strangers_that_wait_stand_before_nobody(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        receive_strangers(LIST_LIMIT)
        payment_id = merchant.captured()
        simulator.fail_refund(self.refunded(merchant, simulator, payment_id))
        news.post(simulator.deliver(simulator.events("refund.failed")[0]))

        sweep()

        assert merchant.payment(payment_id).amount_refunded == 0
        assert news.notes()["refund.failed"] == "asking"
        assert InboundEvent.objects.filter(processed_at=None).count() == LIST_LIMIT

    def test_one_that_cannot_be_applied_keeps_no_other_from_it(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        earn(merchant, 10_000)
        bank(merchant)
        assert news.post(misnamed(simulator, merchant)).status_code == 200
        news.post(simulator.deliver(simulator.events("payout.paid")[0]))

        sweep()

        waiting = InboundEvent.objects.get(processed_at=None)
        assert waiting.kind == "payment_intent.succeeded"
        assert news.notes()["payout.paid"] == "nudged"

    def test_and_is_kept_when_it_could_not_be_applied_for_a_day(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        earn(merchant, 10_000)
        bank(merchant)
        news.post(misnamed(simulator, merchant))

        sweep(after=services.TRIED_FOR - timedelta(minutes=1))
        assert news.notes() == {"payment_intent.succeeded": ""}
        sweep(after=services.TRIED_FOR + timedelta(minutes=1))
        assert news.notes() == {"payment_intent.succeeded": "kept: failed with NotFound"}

    def refunded(self, merchant: Merchant, simulator: Simulator, payment_id: str) -> str:
        merchant.post(f"/v1/payments/{payment_id}/refund")
        finish_runs()
        [refund] = simulator.effects(payment_id)["refund_ids"]
        return str(refund)


class TestReplay:
    def test_without_apply_says_what_there_is_and_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        news.apply_event_of(self.dispute(merchant, simulator))
        receive_strangers(2)
        before = news.notes()
        said = replay()

        assert said.splitlines() == [
            "3 events of providers wait or were kept:",
            "     2  stripe payment_intent.created: waits",
            "     1  stripe weather.changed: kept: kind not handled",
            "Nothing was changed. With --apply they are applied again.",
        ]
        assert news.notes() == before
        assert not AuditEntry.objects.filter(action="inbound_events.replayed").exists()

    def test_applies_what_was_kept_once_its_object_is_known(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.captured()
        refund = TestTheSweep().refunded(merchant, simulator, payment_id)
        simulator.fail_refund(refund)
        event = simulator.deliver(simulator.events("refund.failed")[0])
        news.post(event)
        InboundEvent.objects.update(processed_at=clock.now(), note="kept: unknown object")

        said = replay("--apply")
        finish_runs()

        assert said.splitlines() == [
            "1 event of providers was applied again:",
            "     1  stripe refund.failed: asking",
        ]
        assert merchant.payment(payment_id).amount_refunded == 0
        entry = AuditEntry.objects.get(action="inbound_events.replayed")
        assert entry.book_id == PLATFORM_BOOK
        assert entry.facts == {"events": 1, "stripe refund.failed: asking": 1}
        truth.assert_nothing_is_left_over()

    def test_of_what_nobody_waits_for_still_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        earn(merchant, 10_000)
        bank(merchant)
        news.post(misnamed(simulator, merchant))
        receive_strangers(1, seconds_ago=3600)
        tasks.sweep_events()
        before = truth.counts()

        said = replay("--apply")

        assert said.splitlines()[1:] == [
            "     1  stripe payment_intent.created: kept: unknown object",
            "     1  stripe payment_intent.succeeded: failed with NotFound, and waits",
        ]
        after = truth.counts()
        assert {
            name: after[name] - before[name] for name in after if after[name] != before[name]
        } == {"audit_entry": 1}

    @pytest.mark.usefixtures("merchant")
    def test_of_more_kinds_than_the_trail_has_room_for_notes_how_many(self) -> None:
        receive_strangers(80, kind="weather.changed.on_the_day_of_number_{}")

        said = replay("--apply")

        assert said.splitlines()[0] == "80 events of providers were applied again:"
        assert len(said.splitlines()) == 81
        entry = AuditEntry.objects.get(action="inbound_events.replayed")
        assert entry.facts == {"events": 80, "outcomes": 80}

    def test_leaves_alone_what_was_acted_on(self, merchant: Merchant, simulator: Simulator) -> None:
        merchant.captured()
        news.tell(simulator)
        assert "nudged" not in replay()

        assert replay("--provider", "paypal") == "No event of a provider waits or was kept.\n"

    def test_is_narrowed_by_provider_kind_and_time_and_bounded(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        receive_strangers(1, seconds_ago=7200)
        receive_strangers(3, seconds_ago=60)

        assert replay("--kind", "refund.failed").startswith("No event")
        assert replay("--hours", "1").startswith("3 events")
        said = replay("--limit", "2")
        assert said.startswith("2 events")
        assert "There are more; these are the oldest." in said

    def dispute(self, merchant: Merchant, simulator: Simulator) -> Any:
        merchant.pay()
        return news.renamed(simulator.deliver(simulator.events()[0]), "weather.changed")
