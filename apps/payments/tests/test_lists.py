"""Looking at payments and refunds: one's own, filtered, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from apps.core import clock, ids
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.rows import payment_row, plant, refund_row
from paysys.testing.simulator import Simulator


def listed(merchant: Merchant, query: str = "") -> list[str]:
    answer = merchant.get(f"/v1/payments?{query}")
    assert answer.status_code == 200, answer.content
    return [payment["id"] for payment in answer.json()["data"]]


def add(merchant: Merchant, status: str = "VALIDATED", **facts: Any) -> str:
    return truth.public_id(plant(payment_row(status, book_id=merchant.book_id, **facts)))


class TestAnotherMerchantsObjects:
    @pytest.fixture
    def theirs(self, other_merchant: Merchant) -> str:
        return other_merchant.captured(10_000)

    @pytest.mark.parametrize("order", ["capture", "void", "refund"])
    def test_take_no_orders(
        self, merchant: Merchant, theirs: str, simulator: Simulator, order: str
    ) -> None:
        before, outside = truth.counts(), simulator.effects(theirs)

        answer = merchant.post(f"/v1/payments/{theirs}/{order}", {})

        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "resource_missing"
        assert truth.counts() == before
        assert simulator.effects(theirs) == outside

    def test_are_not_shown(self, merchant: Merchant, other_merchant: Merchant, theirs: str) -> None:
        refund = other_merchant.post(f"/v1/payments/{theirs}/refund", {"amount": 1}).json()["id"]

        for path in (
            f"/v1/payments/{theirs}",
            f"/v1/payments/{theirs}?expand=refunds,saga,ledger",
            f"/v1/refunds/{refund}",
        ):
            assert merchant.get(path).status_code == 404
            assert other_merchant.get(path).status_code == 200
        assert listed(merchant) == []
        assert merchant.get("/v1/refunds").json()["data"] == []
        assert merchant.get(f"/v1/refunds?payment={theirs}").json()["data"] == []

    @pytest.mark.parametrize("id_", ["pay_", "pay_0", "re_01m83nbre4e88tvzp12c5p35ke", "x", "%00"])
    def test_and_what_is_no_id_are_the_same_answer(self, merchant: Merchant, id_: str) -> None:
        answer = merchant.get(f"/v1/payments/{id_}")

        assert answer.status_code in (400, 404)
        assert answer.json()["error"]["code"] in ("resource_missing", "parameter_invalid")


class TestExpand:
    def test_shows_only_what_was_asked_for(self, merchant: Merchant) -> None:
        payment_id = merchant.captured()

        plain = merchant.get(f"/v1/payments/{payment_id}").json()
        with_saga = merchant.get(f"/v1/payments/{payment_id}?expand=saga").json()

        assert not {"refunds", "saga", "ledger"} & set(plain)
        assert set(with_saga) - set(plain) == {"saga"}

    @pytest.mark.parametrize("query", ["expand=everything", "expand=saga,x", "include=saga"])
    def test_refuses_what_it_does_not_know(self, merchant: Merchant, query: str) -> None:
        payment_id = merchant.pay().json()["id"]

        answer = merchant.get(f"/v1/payments/{payment_id}?{query}")

        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "parameter_invalid"


class TestAList:
    def test_is_read_page_by_page_in_both_directions(self, merchant: Merchant) -> None:
        newest_first = [add(merchant) for _ in range(7)][::-1]

        first = merchant.get("/v1/payments?limit=3").json()
        second = merchant.get(
            f"/v1/payments?limit=3&starting_after={first['data'][-1]['id']}"
        ).json()
        last = merchant.get(
            f"/v1/payments?limit=3&starting_after={second['data'][-1]['id']}"
        ).json()
        back = merchant.get(f"/v1/payments?limit=3&ending_before={last['data'][0]['id']}").json()

        pages = (first, second, last)
        assert [payment["id"] for page in pages for payment in page["data"]] == newest_first
        assert [page["has_more"] for page in pages] == [True, True, False]
        assert back["data"] == second["data"]
        assert (first["object"], first["url"]) == ("list", "/v1/payments")

    def test_is_filtered_by_status(self, merchant: Merchant) -> None:
        captured, refunded = add(merchant, "CAPTURED"), add(merchant, "REFUNDED")

        assert listed(merchant, "status=CAPTURED") == [captured]
        assert listed(merchant, "status=REFUNDED") == [refunded]
        assert listed(merchant, "status=VOIDED") == []

    def test_is_filtered_by_facts_that_are_no_status(self, merchant: Merchant) -> None:
        part = {"refund_reserved": Decimal(1), "amount_refunded": Decimal(1)}
        settled = add(merchant, "SETTLED", **part)
        open_dispute = add(merchant, "DISPUTED", settled_at=clock.now())
        plain = add(merchant, "CAPTURED")

        assert listed(merchant, "settled=true") == [open_dispute, settled]
        assert listed(merchant, "settled=false") == [plain]
        assert listed(merchant, "refunded=true") == [settled]
        assert listed(merchant, "disputed=true") == [open_dispute]
        assert listed(merchant, "disputed=false&refunded=false") == [plain]

    def test_is_filtered_by_metadata(self, merchant: Merchant) -> None:
        tables = [add(merchant, metadata={"table": str(n), "room": "a b"}) for n in range(3)]
        add(merchant)

        assert listed(merchant, "metadata[table]=1") == [tables[1]]
        assert listed(merchant, "metadata[room]=a%20b") == tables[::-1]
        assert listed(merchant, "metadata[room]=a%20b&metadata[table]=2") == [tables[2]]
        assert listed(merchant, "metadata[table]=") == []
        assert listed(merchant, f"metadata[{quote(chr(39))}]=1") == []

    def test_is_filtered_by_amount_within_a_currency(self, merchant: Merchant) -> None:
        small = add(merchant, amount=Decimal("10.00"))
        large = add(merchant, amount=Decimal("10.01"))
        add(merchant, amount=Decimal(500), currency="JPY")

        assert listed(merchant, "currency=USD") == [large, small]
        assert listed(merchant, "currency=USD&min_amount=1001") == [large]
        assert listed(merchant, "currency=JPY&min_amount=501") == []

    def test_is_filtered_by_source_and_reference(self, merchant: Merchant) -> None:
        card = add(merchant, source="card_x", reference="order-7")
        add(merchant)

        assert listed(merchant, "source=card_x") == [card]
        assert listed(merchant, "reference=order-7") == [card]
        assert listed(merchant, "reference=order-8") == []

    def test_is_filtered_by_days_and_moments(self, merchant: Merchant) -> None:
        noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        yesterday, today, tomorrow = (
            add(merchant, created_at=noon + timedelta(days=days)) for days in (-1, 0, 1)
        )

        assert listed(merchant, "from=2026-03-02") == [tomorrow, today]
        assert listed(merchant, "to=2026-03-02") == [today, yesterday]
        assert listed(merchant, "from=2026-03-02&to=2026-03-02") == [today]
        assert listed(merchant, "from=2026-03-02T12:00:01Z&to=2026-03-03T12:00:01Z") == [tomorrow]
        assert listed(merchant, "from=2026-03-02T14:00:01%2B02:00") == [tomorrow]

    @pytest.mark.parametrize(
        "query",
        [
            "statuss=CAPTURED",
            "status=captured",
            "status=CAPTURED&status=VOIDED",
            "limit=0",
            "limit=101",
            "limit=ten",
            "starting_after=pay_x",
            "starting_after=re_01m83nbre4e88tvzp12c5p35ke",
            "min_amount=5",
            "min_amount=-5&currency=USD",
            "min_amount=99999999999999999999&currency=USD",
            "min_amount=%D9%A1&currency=USD",
            "currency=usd",
            "currency=XXX",
            "from=yesterday",
            "from=2026-02-30",
            "from=2026-03-02T12:00:00",
            "to=9999-12-31",
            "from=0001-01-01T00:00:00%2B23:59",
            "settled=yes",
            "metadata=x",
            "reference=%00",
            "metadata[%00]=x",
        ],
    )
    def test_refuses_a_query_that_it_does_not_understand(
        self, merchant: Merchant, query: str
    ) -> None:
        answer = merchant.get(f"/v1/payments?{query}")

        assert answer.status_code == 400, answer.content
        assert answer.json()["error"]["code"] == "parameter_invalid"

    def test_asks_the_database_as_often_for_many_as_for_few(
        self, merchant: Merchant, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            add(merchant)
        listed(merchant)

        with django_assert_max_num_queries(1):
            assert len(listed(merchant, "limit=20")) == 20

    def test_says_of_which_payments_nobody_knows_how_they_went(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        merchant.pay()
        simulator.fault("confirm", "timeout_after")
        merchant.pay()

        unknown, known = merchant.get("/v1/payments").json()["data"]

        assert (unknown["outcome"], known["outcome"]) == ("unknown", "known")
        assert unknown["next_check_at"]
        assert known["next_check_at"] is None


class TestRefundsAsAList:
    def test_are_those_of_all_payments_or_of_one_and_never_our_own(
        self, merchant: Merchant
    ) -> None:
        one = plant(payment_row("CAPTURED", book_id=merchant.book_id))
        other = plant(payment_row("CAPTURED", book_id=merchant.book_id))
        mine = [plant(refund_row(payment)) for payment in (one, one, other)]
        plant(refund_row(one, is_compensation=True))
        public = [ids.encode("re", refund.id) for refund in mine]

        def refunds(query: str = "") -> list[str]:
            return [r["id"] for r in merchant.get(f"/v1/refunds?{query}").json()["data"]]

        assert refunds() == public[::-1]
        assert refunds(f"payment={truth.public_id(one)}") == public[1::-1]
        assert refunds(f"limit=1&starting_after={public[2]}") == [public[1]]

    @pytest.mark.parametrize("query", ["payments=x", "status=PENDING"])
    def test_refuse_an_unknown_query(self, merchant: Merchant, query: str) -> None:
        assert merchant.get(f"/v1/refunds?{query}").status_code == 400
