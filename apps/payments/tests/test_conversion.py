"""A payment presented in euros and credited in dollars: both legs, the refunds, and the books."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.core import clock, ids
from apps.core.money import to_minor
from apps.payments.models import Payment, Quote
from apps.payments.services import fx_close, quotes
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs, make_merchant
from apps.payments.tests.purses import inside, wallet
from apps.payments.tests.threads import at_once
from paysys.testing.simulator import Simulator

# One euro is 1.25 dollars; a quote gives 1.2375: of 80 euros' 100 dollars 99 are credited.
FX = ("platform:fx", "platform:fx_revenue", "platform:fx_result")


@pytest.fixture(autouse=True)
def todays_rates() -> None:
    for currency, per_euro in (("USD", "1.25"), ("JPY", "160"), ("KWD", "0.4")):
        set_rate(currency, per_euro)


def set_rate(currency: str, per_euro: str) -> None:
    now = clock.now()
    quotes.set_rate(
        currency=currency, day=now.date(), per_euro=Decimal(per_euro), actor="system", now=now
    )


def quote(merchant: Merchant, amount: int = 8_000, pair: tuple[str, str] = ("EUR", "USD")) -> str:
    body = {"from": pair[0], "to": pair[1], "amount": amount}
    answer = merchant.post("/v1/quotes", body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def pay(merchant: Merchant, amount: int = 8_000, **more: Any) -> Any:
    """In euros, with a quote of its own unless told otherwise."""
    body = {"amount": amount, "currency": "EUR", "source": "pm_card_visa", **more}
    if "quote" not in more:
        body["quote"] = quote(merchant, amount)
    return merchant.post("/v1/payments", body)


def paid(merchant: Merchant, amount: int = 8_000, **more: Any) -> str:
    answer = pay(merchant, amount, **more)
    assert answer.status_code == 201, answer.content
    finish_runs()
    return str(answer.json()["id"])


def refund(merchant: Merchant, payment_id: str, amount: int | None = None, **more: Any) -> Any:
    body = more if amount is None else {"amount": amount, **more}
    answer = merchant.post(f"/v1/payments/{payment_id}/refund", body)
    finish_runs()
    return answer


def balances(merchant: Merchant, *codes: str, currency: str = "USD") -> list[int]:
    return [to_minor(merchant.balance(code, currency)) for code in codes]


class TestAPayment:
    def test_books_two_balanced_legs_and_the_spread(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = paid(merchant)

        body = merchant.get(f"/v1/payments/{payment_id}?expand=ledger").json()
        assert (body["amount"], body["currency"], body["status"]) == (8_000, "EUR", "CAPTURED")
        shown = body["conversion"]
        assert shown.pop("quote").startswith("quote_")
        assert shown == {
            "currency": "USD",
            "rate": "1.2375",
            "rate_mid": "1.25",
            "amount": 9_900,
            "spread": 100,
        }
        (credited,) = [t for t in body["ledger"] if t["kind"] == "credit"]
        assert sorted(
            (line["side"], line["account"], line["amount"], line["currency"])
            for line in credited["lines"]
        ) == [
            ("CREDIT", "merchant:pending", 9_900, "USD"),
            ("CREDIT", "platform:fees", 297, "USD"),
            ("CREDIT", "platform:fx", 8_000, "EUR"),
            ("CREDIT", "platform:fx_revenue", 100, "USD"),
            ("DEBIT", "merchant:pending", 297, "USD"),
            ("DEBIT", "payment:unallocated", 8_000, "EUR"),
            ("DEBIT", "platform:fx", 10_000, "USD"),
        ]
        assert balances(merchant, "merchant:pending", "platform:fx", "platform:fees") == [
            *(9_603, -10_000, 297)
        ]
        assert balances(merchant, "provider:stripe:clearing", currency="EUR") == [8_000]
        assert simulator.effects(payment_id)["amount_captured"] == 8_000
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_uses_its_quote_up(self, merchant: Merchant) -> None:
        promised = quote(merchant)
        payment_id = paid(merchant, quote=promised)

        assert merchant.get(f"/v1/quotes/{promised}").json()["used"] == payment_id
        again = pay(merchant, quote=promised)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "quote_used")
        assert Payment.objects.count() == 1

    def test_keeps_its_rates_whatever_the_market_does(self, merchant: Merchant) -> None:
        payment_id = paid(merchant, capture_method="manual")
        set_rate("USD", "1.50")
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 4_000})
        finish_runs()
        set_rate("USD", "0.90")
        assert refund(merchant, payment_id, 2_000).status_code == 201

        payment = merchant.payment(payment_id)
        assert (payment.rate_mid, payment.rate) == (Decimal("1.25"), Decimal("1.2375"))
        assert (payment.amount_credited, payment.credit_returned) == (
            *(Decimal("49.50"), Decimal("24.75")),
        )
        truth.assert_nothing_is_left_over()

    def test_that_declines_books_nothing_and_has_had_its_quote(self, merchant: Merchant) -> None:
        refused = pay(merchant, source="pm_card_chargeDeclined")
        finish_runs()

        assert refused.status_code == 402
        assert not truth.postings_in(merchant)
        assert Quote.objects.get().payment_id is not None
        truth.assert_nothing_is_left_over()

    def test_repeated_with_its_key_is_the_same_payment(self, merchant: Merchant) -> None:
        body = {"amount": 8_000, "currency": "EUR", "source": "pm_card_visa"}
        body["quote"] = quote(merchant)  # type: ignore[assignment]
        first, second = (merchant.post("/v1/payments", body, key="k") for _ in range(2))

        assert first.content == second.content
        assert second["Idempotent-Replayed"] == "true"

    def test_by_wallet_and_card_together_is_one_conversion(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        purse = wallet(merchant, 3_000, "EUR")
        payment_id = paid(merchant, wallet=purse)

        assert inside(merchant, purse, "EUR") == (0, 0)
        assert simulator.effects(payment_id)["amount_captured"] == 5_000
        assert balances(merchant, "merchant:pending", "platform:fx") == [9_603, -10_000]
        for amount in (4_000, 4_000):  # the card's 50.00 first, then the wallet's 30.00
            assert refund(merchant, payment_id, amount).status_code == 201
        assert inside(merchant, purse, "EUR") == (3_000, 0)
        assert merchant.payment(payment_id).credit_returned == 99
        truth.assert_nothing_is_left_over()

    def test_is_settled_in_the_currency_it_was_paid_in(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = paid(merchant)
        refund(merchant, payment_id, 2_000)
        truth.settle(simulator)

        assert merchant.payment(payment_id).status == "SETTLED"
        assert balances(merchant, "provider:stripe:clearing", currency="EUR") == [0]
        assert balances(merchant, "bank:in_transit", currency="EUR")[0] > 0
        truth.assert_nothing_is_left_over()

    def test_of_ten_with_one_quote_one_is_made(self, merchant: Merchant) -> None:
        promised = quote(merchant)
        answers = at_once([partial(pay, merchant, quote=promised)] * 10)
        truth.wait_for_the_pool()
        finish_runs()

        assert sorted(answer.status_code for answer in answers)[1:] == [409] * 9
        assert Payment.objects.count() == 1
        assert balances(merchant, "platform:fx", currency="EUR") == [8_000]
        truth.assert_nothing_is_left_over()

    @pytest.mark.parametrize(
        ("pair", "amount", "credited", "spread"),
        [
            (("USD", "JPY"), 10_000, 12_672, 128),
            (("JPY", "USD"), 12_672, 9_801, 99),
            (("USD", "KWD"), 5_000, 15_840, 160),
        ],
    )
    def test_speaks_every_currencys_minor_units(
        self,
        merchant: Merchant,
        pair: tuple[str, str],
        amount: int,
        credited: int,
        spread: int,
    ) -> None:
        promised = quote(merchant, amount, pair)
        payment_id = paid(merchant, amount, currency=pair[0], quote=promised)
        body = merchant.get(f"/v1/payments/{payment_id}").json()

        assert (body["conversion"]["amount"], body["conversion"]["spread"]) == (credited, spread)
        assert refund(merchant, payment_id).status_code == 201
        truth.assert_nothing_is_left_over()


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"amount": 8_001}, 422, "quote_mismatch"),
            ({"currency": "USD"}, 422, "quote_mismatch"),
            ({"quote": "quote_nope"}, 404, "resource_missing"),
            ({"quote": "pay_nope"}, 404, "resource_missing"),
            ({"quote": 7}, 400, "parameter_invalid"),
        ],
    )
    def test_change_nothing(
        self, merchant: Merchant, change: dict[str, Any], status: int, code: str
    ) -> None:
        body = {"quote": quote(merchant), **change}
        before = truth.counts()
        answer = pay(merchant, **{"amount": 8_000, **body})

        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert truth.counts() == before
        assert Quote.objects.get().payment_id is None

    def test_quote_that_has_expired(self, merchant: Merchant, settings: Any) -> None:
        settings.PAYSYS_QUOTE_SECONDS = 0
        answer = pay(merchant)

        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "quote_expired")
        assert Payment.objects.count() == 0

    def test_quote_of_another_merchant(self, merchant: Merchant, other_merchant: Merchant) -> None:
        answer = pay(merchant, quote=quote(other_merchant))

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
        assert Payment.objects.count() == 0
        assert Quote.objects.get().payment_id is None

    def test_wallet_in_another_currency_than_the_quotes(self, merchant: Merchant) -> None:
        answer = pay(merchant, destination=wallet(merchant, currency="EUR"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "currency_mismatch")
        assert Payment.objects.count() == 0
        assert Quote.objects.get().payment_id is None


class TestAPartialCapture:
    def test_credits_what_was_taken(self, merchant: Merchant) -> None:
        payment_id = paid(merchant, capture_method="manual")
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 3_333})
        finish_runs()

        payment = merchant.payment(payment_id)  # 33.33 EUR: 41.66 USD at the mid, 41.25 at ours
        assert (payment.amount_credited, payment.fx_spread) == (Decimal("41.25"), Decimal("0.41"))
        assert balances(merchant, *FX[:2]) == [-4_166, 41]
        assert balances(merchant, "platform:fx", currency="EUR") == [3_333]
        truth.assert_nothing_is_left_over()

    def test_that_is_nothing_in_the_other_currency_credits_nothing(
        self, merchant: Merchant
    ) -> None:
        promised = quote(merchant, 10_000, ("JPY", "USD"))
        set_rate("JPY", "16000")  # too late for what was promised
        far = quote(merchant, 10_000, ("JPY", "USD"))
        for one, amount_credited in ((promised, Decimal("0.01")), (far, Decimal(0))):
            payment_id = paid(merchant, 10_000, currency="JPY", quote=one, capture_method="manual")
            answer = merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": 1})
            finish_runs()

            assert answer.status_code == 200, answer.content
            payment = merchant.payment(payment_id)
            assert (payment.status, payment.amount_credited) == ("CAPTURED", amount_credited)
            assert refund(merchant, payment_id).status_code == 201
        assert balances(merchant, "platform:fx", currency="JPY") == [0]
        truth.assert_nothing_is_left_over()


class TestRefunds:
    def test_take_the_stored_rate_whole(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = paid(merchant)
        set_rate("USD", "1.50")
        answer = refund(merchant, payment_id)

        assert (answer.json()["amount"], answer.json()["currency"]) == (8_000, "EUR")
        payment = merchant.payment(payment_id)
        assert payment.status == "REFUNDED"
        assert payment.credit_returned == payment.amount_credited == Decimal("99.00")
        assert balances(merchant, "merchant:pending", "merchant:payable") == [9_603, -9_603]
        assert balances(merchant, "platform:fees") == [0]
        assert balances(merchant, "platform:fx", currency="EUR") == [0]
        assert balances(merchant, "provider:stripe:clearing", currency="EUR") == [0]
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_in_parts_add_up_to_what_was_credited(self, merchant: Merchant) -> None:
        payment_id = paid(merchant)
        for amount in (1, 2_667, 2_666, 33, 2_633):
            assert refund(merchant, payment_id, amount).status_code == 201

        payment = merchant.payment(payment_id)
        assert payment.credit_returned == payment.amount_credited
        assert payment.fee_returned == payment.fee
        assert balances(merchant, "merchant:pending", "merchant:payable") == [9_603, -9_603]
        assert balances(merchant, "platform:fx", currency="EUR") == [0]
        truth.assert_nothing_is_left_over()

    def test_that_fail_late_give_it_back(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id = paid(merchant)
        before = balances(merchant, "merchant:payable", "platform:fees", *FX)
        answer = refund(merchant, payment_id, 2_000)
        (made,) = truth.refunds_of(merchant, payment_id)
        assert answer.status_code == 201

        simulator.fail_refund(made.provider_reference)
        news.tell(simulator, "refund.failed")
        truth.finish_everything()

        payment = merchant.payment(payment_id)
        assert (payment.amount_refunded, payment.credit_returned) == (0, 0)
        assert balances(merchant, "merchant:payable", "platform:fees", *FX) == before
        assert refund(merchant, payment_id).status_code == 201
        assert merchant.payment(payment_id).credit_returned == Decimal("99.00")
        truth.assert_nothing_is_left_over()

    def test_of_everything_leave_the_platform_neither_richer_nor_poorer(
        self, merchant: Merchant
    ) -> None:
        """The position is closed by the refund; what it left is the spread that was not earned."""
        payment_id = paid(merchant)
        refund(merchant, payment_id)
        today = clock.now().date()
        tomorrow = datetime.combine(today + timedelta(days=1), time(1), UTC)
        fx_close.revalue(book_id=merchant.book_id, day=today, now=tomorrow)

        assert balances(merchant, "platform:fx") == [0]
        assert sum(balances(merchant, "platform:fx_revenue", "platform:fx_result")) == 0

    @given(
        amount=st.integers(50, 99_999),
        parts=st.lists(st.integers(1, 40_000), max_size=4),
        captured=st.integers(1, 100),
        per_euro=st.decimals("0.0001", 100_000, places=4),
        to=st.sampled_from(["USD", "JPY", "KWD"]),
    )
    @settings(
        max_examples=10,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example is a second
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_whatever_the_amounts_and_rates_the_books_agree(
        self, amount: int, parts: list[int], captured: int, per_euro: Decimal, to: str
    ) -> None:
        merchant = make_merchant()
        set_rate(to, str(per_euro))
        answer = merchant.post("/v1/quotes", {"from": "EUR", "to": to, "amount": amount})
        if answer.status_code != 201:
            assert answer.json()["error"]["code"] in ("amount_too_small", "amount_too_large")
            return
        payment_id = paid(merchant, amount, quote=answer.json()["id"], capture_method="manual")
        taken = max(1, amount * captured // 100)
        merchant.post(f"/v1/payments/{payment_id}/capture", {"amount": taken})
        finish_runs()
        for part in [*parts, None]:
            refund(merchant, payment_id, part)

        payment = merchant.payment(payment_id)
        assert payment.status == "REFUNDED"
        assert payment.credit_returned == payment.amount_credited
        assert balances(merchant, "platform:fx", currency="EUR") == [0]
        truth.assert_nothing_is_left_over()


class TestATopUp:
    def test_in_another_currency_fills_the_wallet_at_the_quoted_rate(
        self, merchant: Merchant
    ) -> None:
        purse = wallet(merchant)
        payment_id = paid(merchant, destination=purse)

        assert inside(merchant, purse) == (9_900, 0)
        assert ids.encode("pay", merchant.payment(payment_id).id) == payment_id
        truth.assert_nothing_is_left_over()
