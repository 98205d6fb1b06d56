"""From pending to payable, and what is kept back of it."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from decimal import Decimal

from django.db import connections

from apps.core import clock, db
from apps.merchants import services as merchants
from apps.payments import balance, postings, services
from apps.payments.models import Release, Reserve
from apps.payments.services import releases
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.tills import agree, bank, earn, end, items_of, paid_out, standing

DAY = timedelta(days=1)


def release(days: int = 0) -> int:
    """As on a day to come."""
    return services.release(now=clock.now() + days * DAY)


class TestReleasing:
    def test_nothing_before_its_day_and_everything_on_it(self, merchant):
        agree(merchant, delay_days=2)
        merchant.captured(10_000)
        assert (release(), release(1)) == (0, 0)
        assert standing(merchant)["pending"] == 9_700

        assert release(2) == 1

        assert standing(merchant) == {
            "pending": 0, "payable": 9_700, "reserve": 0, "in_transit": 0,
        }  # fmt: skip
        (made,) = Release.objects.all()
        assert (made.amount, made.lines) == (Decimal("97"), 1)
        assert truth.kinds_of(made.id) == ["release.created"]
        assert truth.violations() == {}

    def test_one_posting_a_day_and_currency_whatever_the_lines(self, merchant, other_merchant):
        for each in (merchant, other_merchant):
            agree(each)
            for _ in range(3):
                each.captured(1_000)
        assert release() == 2
        assert sorted(Release.objects.values_list("lines", flat=True)) == [3, 3]
        assert truth.postings_in(merchant)["release"] == 1

    def test_again_at_any_time_changes_nothing(self, merchant):
        earn(merchant, 1_000)
        before = truth.counts()
        assert (release(), release(1)) == (0, 0)
        assert truth.counts() == before

    def test_late_lines_make_another_release(self, merchant):
        earn(merchant, 1_000)
        earn(merchant, 2_000)
        assert Release.objects.count() == 2
        assert standing(merchant)["payable"] == 2_910
        assert truth.violations() == {}

    def test_many_lines_are_released_batch_by_batch(self, merchant, monkeypatch):
        monkeypatch.setattr(releases, "BATCH", 2)
        agree(merchant)
        for _ in range(5):
            merchant.captured(1_000)
        assert release() == 3
        assert standing(merchant)["payable"] == 4_850
        assert truth.violations() == {}

    def test_what_was_taken_back_is_released_as_a_loss(self, merchant):
        """A person's compensation of a payment that was released already."""
        payment, now = merchant.payment(*earn(merchant, 1_000)), clock.now()
        with db.unit():
            postings.credit_undone(payment, occurred_at=now)
            balance.credit_undone(payment, now=now)
        assert standing(merchant) == {
            "pending": -970, "payable": 970, "reserve": 0, "in_transit": 0,
        }  # fmt: skip
        release()

        assert standing(merchant)["payable"] == 0
        assert Release.objects.order_by("id").last().amount == Decimal("-9.70")

    def test_two_at_once_release_each_line_once(self, merchant, monkeypatch):
        monkeypatch.setattr(releases, "BATCH", 1)
        agree(merchant)
        for _ in range(6):
            merchant.captured(1_000)
        barrier = threading.Barrier(3)

        def work() -> None:
            try:
                barrier.wait(timeout=10)
                services.release(now=clock.now())
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        release()

        assert standing(merchant)["payable"] == 5_820
        assert Release.objects.count() == 6
        assert truth.violations() == {}

    def test_one_merchants_trouble_is_not_anothers(self, merchant, other_merchant, monkeypatch):
        for each in (merchant, other_merchant):
            agree(each)
            each.captured(1_000)
        real = releases.postings.released

        def fail(made: Release, **more: object) -> None:
            if made.book_id == merchant.book_id:
                raise RuntimeError("planted")
            real(made, **more)

        monkeypatch.setattr(releases.postings, "released", fail)
        assert release() == 1
        assert standing(merchant)["pending"] == 970
        assert standing(other_merchant)["payable"] == 970
        assert truth.violations() == {}


class TestReserve:
    def test_is_kept_of_a_release_and_freed_after_its_days(self, merchant):
        agree(merchant, reserve_basis_points=1_000, reserve_days=30)
        merchant.captured(10_000)
        release()
        assert standing(merchant) == {
            "pending": 0, "payable": 8_730, "reserve": 970, "in_transit": 0,
        }  # fmt: skip
        (kept,) = Reserve.objects.all()
        assert kept.free_on == clock.now().date() + 30 * DAY
        assert truth.violations() == {}
        assert release(29) == 0

        assert release(30) == 1

        assert standing(merchant)["payable"] == 9_700
        assert standing(merchant)["reserve"] == 0
        assert truth.kinds_of(kept.id) == ["reserve.kept", "reserve.freed"]
        assert (release(30), release(60)) == (0, 0)
        assert truth.violations() == {}

    def test_is_an_item_of_the_payout_that_it_lessens(self, merchant):
        agree(merchant, reserve_basis_points=1_000, reserve_days=30)
        payment = merchant.captured(10_000)
        release()
        bank(merchant)
        assert items_of(merchant, paid_out(merchant)) == [(None, -970), (payment, 9_700)]

        release(30)
        assert items_of(merchant, paid_out(merchant)) == [(None, 970)]
        assert truth.violations() == {}

    def test_rounds_to_the_minor_unit_and_keeps_nothing_of_too_little(self, merchant):
        agree(merchant, reserve_basis_points=1, reserve_days=1)
        merchant.captured(1_000)
        release()
        assert not Reserve.objects.exists()

    def test_what_is_kept_already_stays_when_the_terms_change(self, merchant):
        agree(merchant, reserve_basis_points=1_000, reserve_days=30)
        merchant.captured(10_000)
        release()
        agree(merchant)
        assert release(29) == 0
        assert standing(merchant)["reserve"] == 970


class TestBalance:
    URL = "/v1/balance"

    def test_says_what_stands_where_and_when_it_becomes_payable(self, merchant, simulator):
        agree(merchant, reserve_basis_points=1_000, reserve_days=30)
        merchant.captured(10_000)
        release()
        bank(merchant)
        public_id = paid_out(merchant, 1_000)
        agree(merchant, delay_days=2)
        merchant.captured(1_000)
        agree(merchant, delay_days=5)
        merchant.captured(2_000)
        merchant.pay(500, currency="EUR")
        finish_runs()

        today: date = clock.now().date()
        shown = merchant.get(self.URL).json()
        assert shown["object"] == "balance"
        euros, dollars = shown["currencies"]
        assert (euros["currency"], euros["pending"]["amount"]) == ("EUR", 485)
        assert dollars == {
            "currency": "USD",
            "pending": {
                "amount": 2_910,
                "by_date": [
                    {"available_on": str(today + 2 * DAY), "amount": 970},
                    {"available_on": str(today + 5 * DAY), "amount": 1_940},
                ],
            },
            "payable": 8_730 - 1_000,
            "reserve": 970,
            "in_transit": 1_000,
        }
        end(simulator, merchant, public_id, "pay")
        assert merchant.get(self.URL).json()["currencies"][1]["in_transit"] == 0

    def test_of_a_merchant_that_has_earned_nothing_is_empty(self, merchant):
        assert merchant.get(self.URL).json() == {"object": "balance", "currencies": []}
        assert merchant.get(f"{self.URL}?x=1").status_code == 400

    def test_lines_filter_by_type_currency_source_and_payout(self, merchant, other_merchant):
        first, second = earn(merchant, 1_000, 2_000)
        refund = merchant.post(f"/v1/payments/{first}/refund", {"amount": 100}).json()["id"]
        bank(merchant)
        public_id = paid_out(merchant, 970)
        url = "/v1/balance_transactions"

        def listed(query: str = "") -> list[tuple[str, str]]:
            found = merchant.get(f"{url}{query}").json()["data"]
            return [(line["type"], line["source"]) for line in found]

        everything = [
            ("payout", public_id), ("refund", refund), ("payment", second), ("payment", first),
        ]  # fmt: skip
        assert listed() == everything
        assert listed("?type=payment") == everything[2:]
        assert listed(f"?source={first}") == [("payment", first)]
        assert listed(f"?source={refund}") == [("refund", refund)]
        assert listed(f"?source={public_id}") == [("payout", public_id)]
        assert listed(f"?payout={public_id}") == [("payment", first)]
        assert listed("?currency=EUR") == []
        assert listed("?limit=2") == everything[:2]
        assert other_merchant.get(url).json()["data"] == []
        for wrong in ("?type=x", "?currency=usd", "?color=red"):
            assert merchant.get(f"{url}{wrong}").status_code == 400
        assert merchant.get(f"{url}?source=cus_x").status_code == 404

    def test_scope_is_needed(self, merchant):
        _, key = merchants.issue_key(
            book_id=merchant.book_id, scopes=["payouts:read"], actor="system", now=clock.now()
        )
        for url in (self.URL, "/v1/balance_transactions"):
            assert Merchant(merchant.book_id, key).get(url).status_code == 403
