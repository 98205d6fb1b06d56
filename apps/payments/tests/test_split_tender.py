"""The wallet first, the card for the rest."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.core import clock, ids
from apps.payments import services
from apps.payments.tests import news, purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.purses import inside, wallet
from apps.payments.types import NewRefund
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator


def split(merchant: Merchant, purse: str, amount: int = 10_000, **more: object) -> dict:
    body = merchant.pay(amount, wallet=purse, **more).json()
    finish_runs()
    return body


class TestASplitPayment:
    def test_takes_all_the_wallet_has_and_the_rest_from_the_card(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant, 4_000)

        paid = split(merchant, purse)

        assert [(t["type"], t["amount"]) for t in paid["tenders"]] == [
            ("wallet", 4_000),
            ("card", 6_000),
        ]
        assert inside(merchant, purse) == (0, 0)
        assert simulator.effects(paid["id"])["amount_captured"] == 6_000
        payment = merchant.payment(paid["id"])
        assert (payment.amount_captured, payment.wallet_captured) == (100, 40)
        assert str(merchant.balance("merchant:pending").amount) == "97.0000"
        truth.assert_nothing_is_left_over()

    def test_takes_no_more_of_it_than_it_was_told(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 4_000)

        split(merchant, purse, wallet_amount=1_500)

        assert inside(merchant, purse) == (2_500, 0)
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(("there", "paid_by"), [(0, "card"), (10_000, "wallet")])
    def test_is_paid_by_one_alone_where_the_other_is_not_needed(
        self, merchant: Merchant, there: int, paid_by: str
    ) -> None:
        purse = wallet(merchant, there)

        paid = split(merchant, purse)

        assert [t["type"] for t in paid["tenders"]] == [paid_by]
        assert inside(merchant, purse) == (0, 0)
        truth.assert_nothing_is_left_over()

    def test_whose_card_declines_releases_the_hold_and_books_nothing(
        self, merchant: Merchant
    ) -> None:
        purse = wallet(merchant, 4_000)

        refused = merchant.pay(10_000, "pm_card_chargeDeclined", wallet=purse)
        finish_runs()

        assert refused.status_code == 402
        assert inside(merchant, purse) == (4_000, 0)
        assert truth.postings_in(merchant)["capture"] == 0
        truth.assert_nothing_is_left_over()

    def test_with_more_from_the_wallet_than_there_is_changes_nothing(
        self, merchant: Merchant
    ) -> None:
        purse = wallet(merchant, 4_000)
        before = truth.counts()

        refused = merchant.pay(10_000, wallet=purse, wallet_amount=4_001)

        assert (refused.status_code, refused.json()["error"]["available"]) == (402, 4_000)
        after = truth.counts()
        after.pop("idempotency_key"), before.pop("idempotency_key")
        assert after == before

    @pytest.mark.parametrize(
        "body",
        [
            {"wallet_amount": 100},
            {"wallet": "wallet_x"},
            {"wallet": "", "wallet_amount": 1},
        ],
    )
    def test_that_makes_no_sense_is_refused(self, merchant: Merchant, body: dict) -> None:
        assert merchant.pay(10_000, **body).status_code in (400, 404)


class TestAPartialCapture:
    def held(self, merchant: Merchant, purse: str) -> str:
        return str(split(merchant, purse, capture_method="manual")["id"])

    @pytest.mark.parametrize(
        ("amount", "from_wallet", "from_card"),
        [(10_000, 4_000, 6_000), (5_000, 4_000, 1_000), (4_000, 4_000, 0), (1_000, 1_000, 0)],
    )
    def test_takes_the_wallets_part_first(
        self,
        merchant: Merchant,
        simulator: Simulator,
        amount: int,
        from_wallet: int,
        from_card: int,
    ) -> None:
        purse = wallet(merchant, 4_000)
        payment_id = self.held(merchant, purse)

        taken = merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": amount})
        finish_runs()

        assert taken.status_code == 200, taken.content
        assert [t["captured"] for t in taken.json()["tenders"]] == [from_wallet, from_card]
        assert inside(merchant, purse) == (4_000 - from_wallet, 0)
        outside = simulator.effects(payment_id)
        assert outside["amount_captured"] == from_card
        assert outside["captures"] == (1 if from_card else 0)
        truth.assert_nothing_is_left_over()

    def test_that_never_comes_gives_both_back(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 4_000)
        payment_id = self.held(merchant, purse)

        merchant.post(f"/v1/payments/{payment_id}/void")
        finish_runs()

        assert merchant.payment(payment_id).status == "VOIDED"
        assert inside(merchant, purse) == (4_000, 0)
        truth.assert_nothing_is_left_over()


class TestARefund:
    def refund(self, merchant: Merchant, payment_id: str, **body: object) -> dict:
        answer = merchant.post(f"/v1/payments/{payment_id}/refund", body)
        finish_runs()
        assert answer.status_code == 201, answer.content
        found: dict = answer.json()
        return found

    def test_gives_the_cards_part_back_first(self, merchant: Merchant) -> None:
        purse = wallet(merchant, 4_000)
        paid = str(split(merchant, purse)["id"])

        parts = [
            (refund["to_card"], refund["to_wallet"])
            for refund in (
                self.refund(merchant, paid, amount=5_000),
                self.refund(merchant, paid, amount=3_000),
                self.refund(merchant, paid),
            )
        ]

        assert parts == [(5_000, 0), (1_000, 2_000), (0, 2_000)]
        assert inside(merchant, purse) == (4_000, 0)
        assert merchant.payment(paid).status == "REFUNDED"
        truth.assert_nothing_is_left_over()

    def test_of_a_card_payment_may_go_to_a_wallet(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant)
        paid = merchant.captured(10_000)

        refund = self.refund(merchant, paid, amount=2_500, wallet=purse)

        assert (refund["to_card"], refund["to_wallet"]) == (0, 2_500)
        assert inside(merchant, purse) == (2_500, 0)
        assert simulator.effects(paid)["amount_refunded"] == 0
        assert merchant.payment(paid).refundable == 75
        truth.assert_nothing_is_left_over()

    def test_whose_card_part_fails_days_later_leaves_the_wallet_its_cash(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant, 4_000)
        paid = str(split(merchant, purse)["id"])
        refund = self.refund(merchant, paid, amount=8_000)

        stored = merchant.refund(refund["id"])
        simulator.fail_refund(stored.provider_reference)
        news.tell(simulator, object_id=stored.provider_reference)
        truth.finish_everything()

        stored = merchant.refund(refund["id"])
        assert (stored.status, stored.failed_amount) == ("FAILED", 60)
        assert inside(merchant, purse) == (2_000, 0)
        assert merchant.payment(paid).refundable == 80
        truth.assert_nothing_is_left_over()


class TestACompensation:
    def test_gives_everybody_back_what_they_paid(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from apps.payments import postings
        from apps.payments.sagas.refusals import Rejected

        def refuse(*_facts: object, **_more: object) -> None:
            raise Rejected

        purse = wallet(merchant, 4_000)
        with monkeypatch.context() as planted:
            planted.setattr(postings, "credited", refuse)
            paid = merchant.pay(10_000, wallet=purse).json()
            finish_runs()
        truth.finish_everything()

        assert merchant.payment(paid["id"]).status == "REFUNDED"
        assert inside(merchant, purse) == (4_000, 0)
        outside = simulator.effects(paid["id"])
        assert outside["amount_refunded"] == outside["amount_captured"] == 6_000
        assert merchant.balance("merchant:pending").amount == 0
        truth.assert_nothing_is_left_over()


class TestARefundIntoAWalletThatCloses:
    def test_before_it_is_asked_for_is_refused(self, merchant: Merchant) -> None:
        purse, paid = wallet(merchant), merchant.captured(10_000)
        purses.set_status(purse, "CLOSED")

        refused = merchant.post(f"/v1/payments/{paid}/refund", {"wallet": purse})

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "wallet_closed")
        assert merchant.payment(paid).refund_reserved == 0

    def test_before_it_is_carried_out_goes_back_to_the_merchant(self, merchant: Merchant) -> None:
        purse, paid = wallet(merchant), merchant.captured(10_000)
        before = merchant.balance("merchant:payable")
        with transaction.atomic():
            started = services.create_refund(
                refund_id=ids.new_id(),
                book_id=merchant.book_id,
                payment_id=merchant.payment(paid).id,
                order=NewRefund(wallet=purse),
                actor="system",
                now=clock.now(),
            )
        purses.set_status(purse, "CLOSED")

        engine.advance_started(started.run, subject=started.subject)
        truth.finish_everything()

        refund = merchant.refund(ids.encode("re", started.subject.id))
        assert (refund.status, refund.failure_code) == ("FAILED", "wallet_closed")
        assert merchant.balance("merchant:payable") == before
        assert inside(merchant, purse) == (0, 0)
        truth.assert_nothing_is_left_over()
