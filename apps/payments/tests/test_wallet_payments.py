"""Paying from a wallet: one commit, nobody outside; and topping one up."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from apps.core import ids
from apps.payments.tests import purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.purses import held, inside, wallet
from paysys.testing.simulator import Simulator


class TestTheSeedsExample:
    def test_customer_300_merchant_597_platform_3(self, merchant: Merchant) -> None:
        other = wallet(merchant, 50_000)  # the merchant holds 500 already
        merchant.set_plan(method="wallet", basis_points=0)
        merchant.pay(50_000, other)
        merchant.set_plan(method="wallet", basis_points=300)
        purse = wallet(merchant, 40_000)

        paid = merchant.pay(10_000, purse)

        assert paid.status_code == 201
        assert inside(merchant, purse) == (30_000, 0)
        assert str(merchant.balance("merchant:pending").amount) == "597.0000"
        assert str(merchant.balance("platform:fees").amount) == "3.0000"
        assert truth.violations() == {}


class TestPayingFromAWallet:
    def test_is_whole_in_the_answer_and_asks_no_provider(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant, 10_000)

        body = merchant.pay(4_000, purse).json()

        assert body["status"] == "SETTLED"
        assert body["amount_captured"] == 4_000
        assert (body["fee"], body["net"], body["provider"]) == (120, 3_880, None)
        assert body["tenders"] == [
            {"type": "wallet", "source": purse, "amount": 4_000, "captured": 4_000, "refunded": 0}
        ]
        assert simulator.effects(body["id"])["intents"] == []
        assert truth.kinds_of(ids.decode("pay", body["id"]))[-1] == "payment.succeeded"
        assert merchant.charge_run(body["id"]).status == "COMPLETED"
        truth.assert_nothing_is_left_over()

    def test_is_answered_again_with_the_same_bytes(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        body = {"amount": 4_000, "currency": "USD", "source": purse}
        first = merchant.post("/v1/payments", body, key="once")

        again = merchant.post("/v1/payments", body, key="once")

        assert again.content == first.content
        assert again["Idempotent-Replayed"] == "true"
        assert inside(merchant, purse) == (6_000, 0)

    def test_with_less_than_it_costs_changes_nothing_and_says_what_there_is(
        self, merchant: Merchant
    ) -> None:
        purse = wallet(merchant, 3_999)
        before = truth.counts()

        refused = merchant.pay(4_000, purse)

        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (402, "insufficient_funds")
        assert (error["available"], error["currency"]) == (3_999, "USD")
        after = truth.counts()
        assert after.pop("idempotency_key") == before.pop("idempotency_key") + 1
        assert after == before
        assert inside(merchant, purse) == (3_999, 0)

    def test_held_first_and_captured_in_part_releases_the_rest(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        held = merchant.pay(6_000, purse, capture_method="manual").json()
        assert (held["status"], inside(merchant, purse)) == ("AUTHORIZED", (4_000, 6_000))

        taken = merchant.post(f"/v1/payments/{held['id']}/capture", {"amount": 2_500}).json()

        assert taken["amount_captured"] == 2_500
        assert inside(merchant, purse) == (7_500, 0)
        finish_runs()
        truth.assert_nothing_is_left_over()

    def test_held_first_and_given_up_has_cost_nothing(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        held = merchant.pay(6_000, purse, capture_method="manual").json()

        voided = merchant.post(f"/v1/payments/{held['id']}/void").json()

        assert voided["status"] == "VOIDED"
        assert inside(merchant, purse) == (10_000, 0)
        assert truth.postings_in(merchant)["capture"] == 0
        truth.assert_nothing_is_left_over()

    def test_is_refunded_into_it_in_one_commit(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        paid = merchant.pay(4_000, purse).json()

        refund = merchant.post(f"/v1/payments/{paid['id']}/refund", {"amount": 1_000})

        assert (refund.status_code, refund.json()["status"]) == (201, "SUCCEEDED")
        assert refund.json()["to_wallet"] == 1_000
        assert inside(merchant, purse) == (7_000, 0)
        assert str(merchant.balance("merchant:payable").amount) == "-9.7000"
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(("status", "code"), [("FROZEN", "wallet_frozen")])
    def test_that_is_frozen_is_refused(self, merchant: Merchant, status: str, code: str) -> None:
        purse = wallet(merchant, 10_000)
        purses.set_status(purse, status)

        refused = merchant.pay(4_000, purse)

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, code)
        assert inside(merchant, purse) == (10_000, 0)

    def test_in_another_currency_is_refused(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000, "EUR")

        refused = merchant.pay(4_000, purse)

        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "currency_mismatch")

    def test_of_another_merchant_is_nobodys(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        purse = wallet(other_merchant, 10_000)

        assert merchant.pay(4_000, purse).status_code == 404
        assert inside(other_merchant, purse) == (10_000, 0)


class TestATopUp:
    def test_goes_into_the_wallet_and_the_merchant_bears_the_fee(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant)

        answer = merchant.post(
            f"/v1/wallets/{purse}/top_up", {"amount": 5_000, "source": "pm_card_visa"}
        )
        finish_runs()

        assert answer.status_code == 201, answer.content
        assert inside(merchant, purse) == (5_000, 0)
        assert str(merchant.balance("merchant:pending").amount) == "-1.5000"
        payment = truth.assert_told_once(merchant, simulator, answer.json()["id"])
        assert payment.destination == purse

    def test_that_is_refunded_comes_out_of_the_wallet(self, merchant: Merchant) -> None:
        purse = wallet(merchant)
        paid = merchant.pay(5_000, destination=purse).json()
        finish_runs()

        refund = merchant.post(f"/v1/payments/{paid['id']}/refund", {"amount": 2_000})
        finish_runs()

        assert refund.status_code == 201
        assert inside(merchant, purse) == (3_000, 0)
        truth.assert_nothing_is_left_over()

    def test_that_is_spent_cannot_be_refunded(self, merchant: Merchant) -> None:
        purse = wallet(merchant)
        paid = merchant.pay(5_000, destination=purse).json()
        finish_runs()
        merchant.pay(4_000, purse)

        refused = merchant.post(f"/v1/payments/{paid['id']}/refund")

        assert refused.status_code == 402
        assert refused.json()["error"]["available"] == 1_000
        assert inside(merchant, purse) == (1_000, 0)
        truth.assert_nothing_is_left_over()

    def test_of_a_wallet_that_was_closed_meanwhile_is_given_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant)
        paid = merchant.pay(5_000, destination=purse).json()
        purses.set_status(purse, "CLOSED")

        finish_runs()
        truth.finish_everything()

        payment = truth.assert_told_once(merchant, simulator, paid["id"])
        assert payment.status == "REFUNDED"
        assert inside(merchant, purse) == (0, 0)

    def test_of_a_frozen_wallet_arrives(self, merchant: Merchant) -> None:
        purse = wallet(merchant)
        purses.set_status(purse, "FROZEN")

        merchant.pay(5_000, destination=purse)
        finish_runs()

        assert inside(merchant, purse) == (5_000, 0)

    def test_from_a_wallet_is_a_transfer_and_refused(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)

        refused = merchant.pay(4_000, purse, destination=wallet(merchant))

        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (422, "not_supported_by_method")


class TestATransfer:
    def send(self, merchant: Merchant, source: str, to: str, amount: int, **more: object) -> Any:
        return merchant.post(f"/v1/wallets/{source}/transfer", {"to": to, "amount": amount, **more})

    def test_arrives_in_one_commit_and_is_told(self, merchant: Merchant) -> None:
        ada, ben = wallet(merchant, 10_000), wallet(merchant)

        answer = self.send(merchant, ada, ben, 2_500)

        assert answer.status_code == 201, answer.content
        body = answer.json()
        assert (body["from"], body["to"], body["amount"]) == (ada, ben, 2_500)
        assert (inside(merchant, ada), inside(merchant, ben)) == ((7_500, 0), (2_500, 0))
        assert truth.kinds_of(ids.decode("tr", body["id"])) == ["transfer.created"]
        assert merchant.get(f"/v1/transfers/{body['id']}").json() == body
        assert merchant.get(f"/v1/transfers?wallet={ben}").json()["data"] == [body]
        assert truth.violations() == {}

    def test_is_shown_in_the_console_with_both_wallets(self, merchant: Merchant) -> None:
        ada, ben = wallet(merchant, 10_000), wallet(merchant)
        made = self.send(merchant, ada, ben, 2_500).json()["id"]
        console = Client()
        console.force_login(get_user_model().objects.create_superuser("root", password="x"))

        for page in (
            f"{reverse('admin:payments_transfer_changelist')}?q={made}",
            reverse("admin:payments_transfer_change", args=[ids.decode("tr", made)]),
        ):
            shown = console.get(page).content.decode()
            assert all(words in shown for words in (made, ada, ben, "$25.00"))
            assert "Save" not in shown

    @pytest.mark.parametrize(
        ("amount", "status", "more", "code"),
        [
            (10_001, 402, {}, "insufficient_funds"),
            (1, 422, {"currency": "EUR"}, "currency_mismatch"),
            (0, 400, {}, "parameter_invalid"),
            ("1", 400, {}, "parameter_invalid"),
            (1, 404, {"to": "wallet_01jzzzzzzzzzzzzzzzzzzzzzzz"}, "resource_missing"),
            (1, 400, {"of": "mine"}, "parameter_invalid"),
        ],
    )
    def test_that_cannot_be_changes_nothing(
        self, merchant: Merchant, amount: Any, status: int, more: dict[str, Any], code: str
    ) -> None:
        ada, ben = wallet(merchant, 10_000), wallet(merchant)

        refused = self.send(merchant, ada, **{"to": ben, "amount": amount, **more})

        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert (inside(merchant, ada), inside(merchant, ben)) == ((10_000, 0), (0, 0))

    def test_to_itself_is_refused(self, merchant: Merchant) -> None:
        ada = wallet(merchant, 10_000)

        refused = self.send(merchant, ada, ada, 1)

        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "self_transfer")

    @pytest.mark.parametrize(
        ("side", "status", "code"),
        [
            ("from", "FROZEN", "wallet_frozen"),
            ("to", "CLOSED", "wallet_closed"),
        ],
    )
    def test_with_a_wallet_that_is_not_active(
        self, merchant: Merchant, side: str, status: str, code: str
    ) -> None:
        ada, ben = wallet(merchant, 10_000), wallet(merchant)
        purses.set_status(ada if side == "from" else ben, status)

        refused = self.send(merchant, ada, ben, 1)

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, code)
        assert inside(merchant, ada) == (10_000, 0)


class TestAHoldThatIsCaptured:
    @pytest.mark.parametrize("amount", [None, 6_000, 1])
    def test_is_a_payment_and_releases_the_rest(
        self, merchant: Merchant, amount: int | None
    ) -> None:
        purse = wallet(merchant, 10_000)
        hold = held(merchant, purse, 6_000)
        body = {} if amount is None else {"amount": amount}

        answer = merchant.post(f"/v1/wallets/{purse}/holds/{hold}/capture", body)

        assert answer.status_code == 201, answer.content
        assert answer.json()["amount_captured"] == amount or amount is None
        assert inside(merchant, purse) == (10_000 - (amount or 6_000), 0)
        assert answer.json()["status"] == "SETTLED"
        truth.assert_nothing_is_left_over()

    def test_a_second_time_is_refused(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        hold = held(merchant, purse, 6_000)
        merchant.post(f"/v1/wallets/{purse}/holds/{hold}/capture")

        refused = merchant.post(f"/v1/wallets/{purse}/holds/{hold}/capture")

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "hold_not_open")
        assert inside(merchant, purse) == (4_000, 0)

    def test_for_more_than_is_held_is_refused(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 10_000)
        hold = held(merchant, purse, 6_000)

        refused = merchant.post(f"/v1/wallets/{purse}/holds/{hold}/capture", {"amount": 6_001})

        error = refused.json()["error"]
        assert (refused.status_code, error["remaining"]) == (409, 6_000)
        assert inside(merchant, purse) == (4_000, 6_000)
