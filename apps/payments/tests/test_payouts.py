"""Payouts of a merchant's payable money: reserved, sent, paid; failed, returned; and unknown."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from apps.core import clock, ids
from apps.gateways.models import ProviderCall
from apps.idempotency.models import IdempotencyKey
from apps.merchants import selectors
from apps.merchants import services as merchants
from apps.merchants.models import BankAccount
from apps.payments.models import Payout
from apps.payments.sagas import payout as saga
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.threads import at_once
from apps.payments.tests.tills import (
    FAILS,
    URL,
    bank,
    bank_says,
    earn,
    end,
    items_of,
    look_again,
    paid_out,
    pay_out,
    payout,
    standing,
)
from apps.sagas.models import Run

REFUSED = "11BAD00"


def error_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def calls() -> list[str]:
    made = ProviderCall.objects.filter(step="SEND").order_by("id")
    return list(made.values_list("call", flat=True))


def remove(merchant: Merchant, account: str) -> None:
    merchants.remove_bank_account(
        book_id=merchant.book_id,
        bank_account_id=ids.decode("ba", account),
        actor="system",
        now=clock.now(),
    )


@pytest.fixture
def rich(merchant: Merchant) -> Merchant:
    """With 97.00 payable, and an account to send it to."""
    earn(merchant, 10_000)
    bank(merchant)
    return merchant


class TestTheGoodWay:
    def test_is_reserved_sent_and_booked_when_it_has_arrived(self, merchant, simulator):
        (payment,) = earn(merchant, 10_000)
        account = bank(merchant)
        answer = pay_out(merchant, 5_000, bank_account=account, metadata={"week": "48"})
        shown = answer.json()

        assert answer.status_code == 201
        assert (shown["status"], shown["outcome"]) == ("IN_TRANSIT", "known")
        assert (shown["amount"], shown["currency"], shown["type"]) == (5_000, "USD", "manual")
        assert (shown["bank_account"], shown["metadata"]) == (account, {"week": "48"})
        assert shown["expected_on"] is not None
        assert (shown["wallet"], shown["failure"], shown["paid_at"]) == (None, None, None)
        assert standing(merchant) == {
            "pending": 0, "payable": 4_700, "reserve": 0, "in_transit": 5_000,
        }  # fmt: skip
        assert items_of(merchant, shown["id"]) == [(payment, 5_000)]
        assert truth.violations() == {}

        end(simulator, merchant, shown["id"], "pay")

        assert merchant.get(f"{URL}/{shown['id']}").json()["status"] == "PAID"
        assert standing(merchant)["in_transit"] == 0
        (ordered,) = simulator.payouts_for(shown["id"])
        assert (ordered["amount"], ordered["currency"]) == (5_000, "usd")
        assert truth.kinds_of(ids.decode("po", shown["id"])) == [
            "payout.created", "payout.in_transit", "payout.paid",
        ]  # fmt: skip
        run = truth.run_of("payout")
        assert run.completed_steps == ["RESERVE", "SEND", "ARRIVE", "CONFIRM"]
        assert truth.violations() == {}

    def test_without_an_amount_all_that_is_payable_leaves(self, rich):
        shown = pay_out(rich).json()
        assert shown["amount"] == 9_700
        assert standing(rich)["payable"] == 0

    def test_without_an_account_it_goes_to_the_own_one_of_its_currency(self, merchant):
        earn(merchant, 10_000)
        euros, dollars = bank(merchant, currency="EUR"), bank(merchant)
        with time_machine.travel(clock.now() + timedelta(hours=25), tick=False):
            shown = pay_out(merchant).json()
        assert (shown["bank_account"], euros != dollars) == (dollars, True)

    def test_provider_is_told_of_an_account_once(self, rich):
        paid_out(rich, 1_000)
        paid_out(rich, 1_000)
        assert calls() == ["add_bank", "pay_out", "pay_out"]

    def test_same_key_pays_once(self, rich, simulator):
        body = {"currency": "USD", "amount": 1_000}
        first = rich.post(URL, body, key="once")
        again = rich.post(URL, body, key="once")

        assert again.content == first.content
        assert again["Idempotent-Replayed"] == "true"
        assert len(simulator.payouts_for(first.json()["id"])) == 1
        assert Payout.objects.count() == 1
        assert standing(rich)["in_transit"] == 1_000

    def test_key_is_kept_until_the_bank_has_spoken(self, rich, simulator):
        public_id = paid_out(rich, 1_000)
        row = IdempotencyKey.objects.filter(id=ids.decode("po", public_id))
        assert row.get().expires_at.year == 9999
        end(simulator, rich, public_id, "pay")
        assert row.get().expires_at.year < 9999

    def test_news_is_asked_for_also_when_nobody_tells(self, rich, simulator):
        public_id = paid_out(rich, 1_000)
        bank_says(simulator, rich, public_id, "pay")
        assert payout(rich, public_id).status == "IN_TRANSIT"
        look_again()
        assert payout(rich, public_id).status == "PAID"

    def test_one_still_on_its_way_goes_on_waiting(self, rich):
        public_id = paid_out(rich, 1_000)
        look_again()
        run = truth.run_of("payout")
        assert (payout(rich, public_id).status, run.status) == ("IN_TRANSIT", "WAITING")
        assert run.next_run_at > clock.now() + timedelta(hours=5)


class TestItems:
    def test_oldest_first_and_the_last_one_is_split(self, merchant):
        first, second, third = earn(merchant, 1_000, 2_000, 3_000)
        bank(merchant)
        one = paid_out(merchant, 2_000)
        two = paid_out(merchant)

        assert items_of(merchant, one) == [(second, 1_030), (first, 970)]
        assert items_of(merchant, two) == [(third, 2_910), (second, 910)]
        assert truth.violations() == {}

    def test_what_was_taken_back_is_an_item_too(self, merchant):
        first, second = earn(merchant, 1_000, 2_000)
        merchant.post(f"/v1/payments/{first}/refund", {"amount": 500})
        bank(merchant)
        shown = pay_out(merchant).json()

        assert shown["amount"] == 970 + 1_940 - 485
        assert items_of(merchant, shown["id"]) == [(first, -485), (second, 1_940), (first, 970)]
        assert truth.violations() == {}

    def test_lines_that_brought_nothing_are_none(self, merchant):
        merchant.set_plan(basis_points=10_000)
        earn(merchant, 1_000)
        merchant.set_plan(basis_points=0)
        (payment,) = earn(merchant, 500)
        bank(merchant)
        assert items_of(merchant, paid_out(merchant)) == [(payment, 500)]

    def test_items_show_their_line_of_the_balance(self, merchant):
        (payment,) = earn(merchant, 1_000)
        bank(merchant)
        public_id = paid_out(merchant, 400)
        (item,) = merchant.get(f"{URL}/{public_id}/items").json()["data"]

        assert item["object"] == "payout_item"
        line = item["balance_transaction"]
        assert (line["type"], line["source"], line["payment"]) == ("payment", payment, payment)
        assert (line["gross"], line["fee"], line["net"]) == (1_000, 30, 970)
        assert (line["paid_out"], line["status"]) == (400, "payable")
        found = merchant.get(f"/v1/balance_transactions?payout={public_id}").json()["data"]
        assert found == [line]


class TestOneThatFails:
    def test_gives_everything_back(self, merchant, simulator):
        earn(merchant, 1_000, 2_000)
        bank(merchant, FAILS)
        before = standing(merchant)
        public_id = paid_out(merchant, 1_500)
        end(simulator, merchant, public_id, "fail")

        shown = merchant.get(f"{URL}/{public_id}").json()
        assert (shown["status"], shown["failure"]) == ("FAILED", {"code": "account_not_found"})
        assert standing(merchant) == before
        assert truth.kinds_of(ids.decode("po", public_id)) == [
            "payout.created", "payout.in_transit", "payout.failed",
        ]  # fmt: skip
        assert len(items_of(merchant, public_id)) == 2  # what it would have been made of
        assert truth.violations() == {}
        assert pay_out(merchant).json()["amount"] == 2_910

    def test_at_once_is_answered_with_402(self, merchant):
        earn(merchant, 1_000)
        bank(merchant, REFUSED)
        answer = pay_out(merchant)

        assert answer.status_code == 402
        error = error_of(answer)
        assert (error["code"], error["decline_code"]) == ("payout_failed", "bank_account_invalid")
        assert error["payout"]["status"] == "FAILED"
        assert standing(merchant)["payable"] == 970
        assert truth.violations() == {}

    def test_account_removed_before_it_was_sent_is_not_paid_to(self, merchant, simulator):
        earn(merchant, 1_000)
        account = bank(merchant)
        simulator.fault("add_bank", "reset_before", times=-1)
        assert pay_out(merchant, bank_account=account).status_code == 202
        remove(merchant, account)
        simulator.clear_faults()
        truth.finish_everything()

        (failed,) = Payout.objects.all()
        assert (failed.status, failed.failure_code) == ("FAILED", "bank_account_removed")
        assert simulator.payouts_for(ids.encode("po", failed.id)) == []
        assert standing(merchant)["payable"] == 970
        assert truth.violations() == {}

    @pytest.mark.parametrize("is_sent_at_once", [True, False])
    def test_account_removed_while_it_was_decided_is_not_paid_to(
        self, merchant, simulator, monkeypatch, is_sent_at_once
    ):
        earn(merchant, 1_000)
        account = bank(merchant)

        def read_and_be_overtaken(**which):
            found = selectors.get_bank_account(**which)
            if found.removed_at is None:
                at_once([lambda: remove(merchant, account)])
            return found

        if not is_sent_at_once:
            simulator.fault("add_bank", "reset_before", times=-1)
            assert pay_out(merchant, bank_account=account).status_code == 202
            simulator.clear_faults()
        monkeypatch.setattr(
            saga, "merchants", SimpleNamespace(get_bank_account=read_and_be_overtaken)
        )
        if is_sent_at_once:
            BankAccount.objects.update(provider_reference="ba_known_there")
            answer = pay_out(merchant, bank_account=account)
            assert error_of(answer)["code"] == "bank_account_not_usable"
        truth.finish_everything()

        ended = Payout.objects.values_list("status", "failure_code")
        assert list(ended) == ([] if is_sent_at_once else [("FAILED", "bank_account_removed")])
        assert "pay_out" not in calls()
        assert standing(merchant)["payable"] == 970
        assert truth.violations() == {}


class TestOneThatComesBack:
    def test_is_a_new_fact_and_credits_again(self, rich, simulator):
        public_id = paid_out(rich, 5_000)
        end(simulator, rich, public_id, "return")

        shown = rich.get(f"{URL}/{public_id}").json()
        assert (shown["status"], shown["failure"]) == ("RETURNED", {"code": "account_closed"})
        assert shown["paid_at"] is not None
        assert shown["returned_at"] is not None
        assert standing(rich)["payable"] == 9_700
        assert truth.kinds_of(ids.decode("po", public_id))[-2:] == [
            "payout.paid",
            "payout.returned",
        ]
        assert truth.violations() == {}
        assert pay_out(rich).json()["amount"] == 9_700
        assert truth.violations() == {}

    def test_news_of_it_told_twice_changes_nothing_more(self, rich, simulator):
        public_id = paid_out(rich, 5_000)
        end(simulator, rich, public_id, "return")
        news.tell(simulator, "payout.created")
        before = truth.counts()
        for _ in range(2):
            news.tell(simulator, "payout.paid", "payout.failed", "payout.created")
            finish_runs()

        assert truth.counts() == before
        assert Run.objects.filter(saga="payout_check").count() == 1

    def test_before_we_knew_that_it_was_paid_it_has_failed(self, rich, simulator):
        public_id = paid_out(rich, 5_000)
        bank_says(simulator, rich, public_id, "return")
        look_again()
        assert payout(rich, public_id).status == "FAILED"
        assert standing(rich)["payable"] == 9_700
        assert truth.violations() == {}

    def test_false_alarm_is_looked_into_and_nothing_more(self, rich, simulator):
        public_id = paid_out(rich, 5_000)
        end(simulator, rich, public_id, "pay")
        reference = payout(rich, public_id).provider_reference
        event = simulator.deliver(simulator.events("payout.paid", object_id=reference)[0])
        news.apply_event_of(news.renamed(event, "payout.failed"))
        finish_runs()

        assert Run.objects.get(saga="payout_check").status == "COMPLETED"
        assert payout(rich, public_id).status == "PAID"
        assert truth.violations() == {}


class TestNotKnowing:
    @pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "error_after"])
    def test_is_said_and_cleared_up_and_paid_once(self, rich, simulator, kind):
        simulator.fault("pay_out", kind)
        answer = pay_out(rich, 1_000)
        shown = answer.json()

        assert answer.status_code == 202
        assert (shown["status"], shown["outcome"]) == ("PENDING", "unknown")
        assert shown["next_check_at"] is not None
        listed = rich.get(URL).json()["data"][0]
        assert (listed["id"], listed["outcome"]) == (shown["id"], "unknown")
        assert standing(rich)["in_transit"] == 1_000
        assert truth.violations() == {}

        truth.finish_everything()

        assert payout(rich, shown["id"]).status == "IN_TRANSIT"
        assert len(simulator.payouts_for(shown["id"])) == 1
        assert truth.violations() == {}

    @pytest.mark.parametrize("op", ["add_bank", "pay_out"])
    @pytest.mark.parametrize(
        "kind", ["timeout_before", "error_before", "rate_limit", "unavailable"]
    )
    def test_what_was_lost_on_the_way_is_sent_again(self, rich, simulator, op, kind):
        simulator.fault(op, kind)
        shown = pay_out(rich, 1_000).json()
        truth.finish_everything()

        assert payout(rich, shown["id"]).status == "IN_TRANSIT"
        assert len(simulator.payouts_for(shown["id"])) == 1
        assert truth.violations() == {}

    @pytest.mark.parametrize("kind", ["rate_limit", "reset_before", "unavailable"])
    def test_news_that_could_not_be_looked_into_is_looked_into_again(self, rich, simulator, kind):
        public_id = paid_out(rich, 4_000)
        bank_says(simulator, rich, public_id, "fail")
        simulator.fault("retrieve_payout", kind)
        reference = payout(rich, public_id).provider_reference

        news.tell(simulator, "payout.failed", object_id=reference)
        finish_runs()
        truth.finish_everything()

        assert payout(rich, public_id).status == "FAILED"

    def test_repeat_of_the_key_gets_the_payout_as_it_is(self, rich, simulator):
        simulator.fault("pay_out", "reset_after")
        body = {"currency": "USD", "amount": 1_000}
        first = rich.post(URL, body, key="k")
        assert first.status_code == 202
        truth.finish_everything()
        IdempotencyKey.objects.update(locked_until=clock.now() - timedelta(seconds=1))
        again = rich.post(URL, body, key="k")

        assert again.status_code == 201
        assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "IN_TRANSIT")
        assert Payout.objects.count() == 1
