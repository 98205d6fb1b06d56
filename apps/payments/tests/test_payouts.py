"""Payouts of a merchant's payable money: reserved, sent, paid; failed, returned; itemized."""

from __future__ import annotations

from apps.core import ids
from apps.payments.tests.tills import (
    bank,
    bank_says,
    earn,
    items_of,
    look_again,
    pay_out,
    standing,
)
from apps.payments.tests.truth import kinds_of, violations


class TestTheGoodWay:
    def test_payout_is_reserved_sent_and_booked_when_it_has_arrived(self, merchant, simulator):
        (payment,) = earn(merchant, 10_000)
        account = bank(merchant)
        answer = pay_out(merchant, 5_000, bank_account=account, metadata={"week": "48"})
        shown = answer.json()

        assert answer.status_code == 201
        assert shown["status"] == "IN_TRANSIT"
        assert (shown["amount"], shown["type"], shown["outcome"]) == (5_000, "manual", "known")
        assert (shown["bank_account"], shown["metadata"]) == (account, {"week": "48"})
        assert standing(merchant) == {
            "pending": 0, "payable": 4_700, "reserve": 0, "in_transit": 5_000,
        }  # fmt: skip
        assert items_of(merchant, shown["id"]) == [(payment, 5_000)]

        bank_says(simulator, merchant, shown["id"], "pay")
        look_again()

        assert merchant.get(f"/v1/payouts/{shown['id']}").json()["status"] == "PAID"
        assert standing(merchant)["in_transit"] == 0
        assert len(simulator.payouts_for(shown["id"])) == 1
        assert kinds_of(ids.decode("po", shown["id"])) == [
            "payout.created", "payout.in_transit", "payout.paid",
        ]  # fmt: skip
        assert violations() == {}
