"""A rate that is promised for a while and used once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core import clock, db, ids
from apps.core.errors import DomainError, NotFound
from apps.core.ids import new_id
from apps.core.money import Money
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.merchants import services as merchants
from apps.payments import fx
from apps.payments.models import ExchangeRate, Quote
from apps.payments.services import quotes
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.threads import at_once

EUROS = {"from": "EUR", "to": "USD", "amount": 8_000}


@pytest.fixture(autouse=True)
def todays_rates() -> None:
    """One euro is 1.25 dollars, 160 yen and 0.4 dinars."""
    now = clock.now()
    for currency, per_euro in (("USD", "1.25"), ("JPY", "160"), ("KWD", "0.4")):
        quotes.set_rate(
            currency=currency,
            day=now.date(),
            per_euro=Decimal(per_euro),
            actor="system",
            now=now,
        )


def ask(merchant: Merchant, **more: Any) -> Any:
    return merchant.post("/v1/quotes", {**EUROS, **more})


def quote_of(merchant: Merchant, **more: Any) -> UUID:
    answer = ask(merchant, **more)
    assert answer.status_code == 201, answer.content
    return ids.decode("quote", answer.json()["id"])


def use(
    merchant: Merchant,
    quote_id: UUID,
    *,
    payment_id: UUID | None = None,
    amount: Money | None = None,
    to_currency: str | None = None,
    now: datetime | None = None,
) -> Quote:
    with db.unit():
        return quotes.use_quote(
            book_id=merchant.book_id,
            quote_id=quote_id,
            payment_id=payment_id or new_id(),
            amount=amount or Money(80, "EUR"),
            to_currency=to_currency,
            actor="system",
            now=now or clock.now(),
        )


def written() -> tuple[int, int]:
    """What a refusal must not change: quotes, and what the trail says about them."""
    return Quote.objects.count(), AuditEntry.objects.filter(subject_kind="quote").count()


class TestAsking:
    def test_answers_both_rates_and_what_would_be_credited(self, merchant: Merchant) -> None:
        before = clock.now()
        answer = ask(merchant)

        body = answer.json()
        assert answer.status_code == 201
        assert body.pop("id").startswith("quote_")
        made, ends = (datetime.fromisoformat(body.pop(n)) for n in ("created_at", "expires_at"))
        assert before <= made <= clock.now()
        assert ends - made == timedelta(seconds=300)
        assert body == {
            "object": "quote",
            "from": "EUR",
            "to": "USD",
            "amount": 8_000,
            "to_amount": 9_900,
            "rate": "1.2375",
            "rate_mid": "1.25",
            "spread_basis_points": 100,
            "rates_of": str(made.date()),
            "used": None,
        }

    @pytest.mark.parametrize(
        ("pair", "amount", "credited", "rate"),
        [
            (("USD", "JPY"), 10_000, 12_672, "126.72"),
            (("JPY", "USD"), 12_672, 9_801, "0.007734375"),
            (("KWD", "USD"), 1_000, 309, "3.09375"),
            (("USD", "KWD"), 309, 979, "0.3168"),
        ],
    )
    def test_speaks_the_minor_units_of_both(
        self, merchant: Merchant, pair: tuple[str, str], amount: int, credited: int, rate: str
    ) -> None:
        answer = merchant.post("/v1/quotes", {"from": pair[0], "to": pair[1], "amount": amount})
        assert (answer.json()["to_amount"], answer.json()["rate"]) == (credited, rate)

    def test_is_found_again_by_its_merchant_alone(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        made = ask(merchant).json()

        assert merchant.get(f"/v1/quotes/{made['id']}").json() == made
        assert other_merchant.get(f"/v1/quotes/{made['id']}").status_code == 404
        assert merchant.get("/v1/quotes/quote_nope").status_code == 404
        assert merchant.get(f"/v1/quotes/{made['id']}?expand=x").status_code == 400

    def test_is_in_the_trail(self, merchant: Merchant) -> None:
        quote_id = quote_of(merchant)

        (entry,) = AuditEntry.objects.filter(subject_id=quote_id)
        assert (entry.book_id, entry.action) == (merchant.book_id, "quote.created")
        assert entry.facts == {
            "from": "EUR",
            "amount": 8_000,
            "to": "USD",
            "to_amount": 9_900,
            "rate": "1.237500000000",
        }

    def test_repeat_with_the_same_key_gets_the_same_quote(self, merchant: Merchant) -> None:
        first, second = (merchant.post("/v1/quotes", EUROS, key="k1") for _ in range(2))

        assert first.content == second.content
        assert Quote.objects.count() == 1

    def test_without_a_key_each_call_makes_one(self, merchant: Merchant) -> None:
        headers = {"Authorization": f"Bearer {merchant.api_key}"}
        for _ in range(2):
            answer = Client().post("/v1/quotes", EUROS, "application/json", headers=headers)
            assert answer.status_code == 201
        assert Quote.objects.count() == 2

    def test_keeps_its_rate_when_the_market_moves(self, merchant: Merchant) -> None:
        made = ask(merchant).json()
        now = clock.now()
        quotes.set_rate(
            currency="USD", day=now.date(), per_euro=Decimal("1.1"), actor="system", now=now
        )

        assert merchant.get(f"/v1/quotes/{made['id']}").json()["rate"] == "1.2375"
        assert ask(merchant).json()["rate_mid"] == "1.1"

    def test_spread_and_time_are_settings(self, merchant: Merchant, settings: Any) -> None:
        settings.PAYSYS_FX_SPREAD_BASIS_POINTS = 0
        settings.PAYSYS_QUOTE_SECONDS = 60
        body = ask(merchant).json()

        assert (body["rate"], body["to_amount"]) == ("1.25", 10_000)
        assert datetime.fromisoformat(body["expires_at"]) - datetime.fromisoformat(
            body["created_at"]
        ) == timedelta(seconds=60)


class TestInTheConsole:
    def test_quotes_and_rates_are_shown_and_none_can_be_saved(self, merchant: Merchant) -> None:
        public_id = ask(merchant).json()["id"]
        use(merchant, ids.decode("quote", public_id))
        console = Client()
        console.force_login(get_user_model().objects.create_superuser("root", password="x"))
        for row, words in (
            (Quote.objects.get(), public_id),
            (ExchangeRate.objects.first(), "1.25"),
        ):
            assert row is not None
            name = f"admin:payments_{row._meta.model_name}"
            one = reverse(f"{name}_change", args=[row.pk])
            assert words in console.get(reverse(f"{name}_changelist")).content.decode()
            assert console.get(one).status_code == 200
            assert console.post(one, {}).status_code == 403
            assert console.get(reverse(f"{name}_add")).status_code == 403
        page = console.get(f"{reverse('admin:payments_quote_changelist')}?q={public_id}")
        assert "€80.00" in page.content.decode()


class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "status", "code", "param"),
        [
            ({"to": "EUR"}, 400, "parameter_invalid", "to"),
            ({"to": "XAU"}, 400, "parameter_invalid", "to"),
            ({"from": "eur"}, 400, "parameter_invalid", "from"),
            ({"from": None}, 400, "parameter_invalid", "from"),
            ({"amount": 0}, 400, "parameter_invalid", "amount"),
            ({"amount": "8000"}, 400, "parameter_invalid", "amount"),
            ({"amount": 10**12 + 1}, 400, "parameter_invalid", "amount"),
            ({"rate": "2"}, 400, "parameter_invalid", "rate"),
            ({"to": "CLP"}, 422, "currency_not_convertible", None),
            ({"from": "JPY", "to": "EUR", "amount": 10**12}, 201, None, None),
            ({"from": "EUR", "to": "IDR", "amount": 10**12}, 422, "amount_too_large", "amount"),
            ({"from": "IDR", "to": "KWD", "amount": 1}, 422, "amount_too_small", "amount"),
        ],
    )
    def test_say_what_is_wrong_and_write_nothing(
        self,
        merchant: Merchant,
        wrong: dict[str, Any],
        status: int,
        code: str | None,
        param: str | None,
    ) -> None:
        answer = ask(merchant, **wrong)

        assert answer.status_code == status, answer.content
        if code is not None:
            assert answer.json()["error"]["code"] == code
            assert answer.json()["error"]["param"] == param
            assert written() == (0, 0)

    def test_rate_that_is_too_old_promises_nothing(self, merchant: Merchant, settings: Any) -> None:
        settings.PAYSYS_FX_MAX_AGE_DAYS = -1  # not even today's will do
        answer = ask(merchant)

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "rate_stale"
        assert answer.json()["error"]["rates_of"] == str(clock.now().date())
        assert written() == (0, 0)

    def test_key_needs_the_scope(self, merchant: Merchant) -> None:
        _, api_key = merchants.issue_key(
            book_id=merchant.book_id, scopes=["payments:write"], actor="system", now=clock.now()
        )
        writer = Merchant(merchant.book_id, api_key)

        assert ask(writer).status_code == 403
        assert writer.get("/v1/quotes/quote_x").status_code == 403


class TestUsing:
    def test_makes_it_that_payments_for_good(self, merchant: Merchant) -> None:
        quote_id, payment_id = quote_of(merchant), new_id()
        used = use(merchant, quote_id, payment_id=payment_id, to_currency="USD")

        assert (used.rate, used.rate_mid) == (Decimal("1.2375"), Decimal("1.25"))
        body = merchant.get(f"/v1/quotes/{ids.encode('quote', quote_id)}").json()
        assert body["used"] == ids.encode("pay", payment_id)
        entry = AuditEntry.objects.filter(subject_id=quote_id).latest("id")
        assert (entry.action, entry.facts) == ("quote.used", {"payment": str(payment_id)})

    def test_second_payment_is_refused_and_told_the_first(self, merchant: Merchant) -> None:
        quote_id, first = quote_of(merchant), new_id()
        use(merchant, quote_id, payment_id=first)
        before = written()

        with pytest.raises(quotes.QuoteUsed) as caught:
            use(merchant, quote_id)

        assert (caught.value.status, caught.value.code) == (409, "quote_used")
        assert caught.value.extra == {"payment": ids.encode("pay", first)}
        assert Quote.objects.get().payment_id == first
        assert written() == before

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": Money("80.01", "EUR")},
            {"amount": Money("79.99", "EUR")},
            {"amount": Money(80, "USD")},
            {"to_currency": "GBP"},
        ],
    )
    def test_for_another_payment_than_promised_is_refused(
        self, merchant: Merchant, other: dict[str, Any]
    ) -> None:
        quote_id = quote_of(merchant)
        with pytest.raises(quotes.QuoteMismatch) as caught:
            use(merchant, quote_id, **other)

        assert (caught.value.status, caught.value.code) == (422, "quote_mismatch")
        assert Quote.objects.get().payment_id is None

    def test_ends_at_its_moment(self, merchant: Merchant) -> None:
        quote_id = quote_of(merchant)
        end = Quote.objects.get().expires_at
        with pytest.raises(quotes.QuoteExpired) as caught:
            use(merchant, quote_id, now=end)

        assert (caught.value.status, caught.value.code) == (422, "quote_expired")
        assert Quote.objects.get().payment_id is None
        use(merchant, quote_id, now=end - timedelta(microseconds=1))

    def test_of_another_merchant_is_nobodys(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        quote_id = quote_of(merchant)
        with pytest.raises(NotFound):
            use(other_merchant, quote_id)
        with pytest.raises(NotFound):
            use(merchant, new_id())

    def test_faster_payment_wins_though_the_slower_saw_it_free(self, merchant: Merchant) -> None:
        quote_id, faster = quote_of(merchant), new_id()
        before = AuditEntry.objects.count()

        with pytest.raises(db.GuardFailed), db.unit():
            use(merchant, quote_id)  # reads it as free; sent at the end of the unit
            at_once([partial(use, merchant, quote_id, payment_id=faster)])

        assert Quote.objects.get().payment_id == faster
        assert AuditEntry.objects.count() == before + 1

    def test_of_ten_payments_at_once_one_gets_it_and_nine_hear_why(
        self, merchant: Merchant
    ) -> None:
        quote_id = quote_of(merchant)

        def pay() -> str:
            facts = RequestFacts(
                merchant.book_id, uuid4().hex, "POST", "/v1/payments", {}, clock.now()
            )

            def create(payment_id: UUID) -> None:
                use(merchant, quote_id, payment_id=payment_id)

            try:
                answer = idempotency.run(facts, create, lambda *_: (201, {}, True))
            except DomainError as error:
                return error.code
            return str(answer.status_code)

        assert Counter(at_once([pay] * 10)) == {"201": 1, "409": 9}
        assert Quote.objects.get().payment_id is not None
        assert AuditEntry.objects.filter(action="quote.used").count() == 1

    def test_is_never_changed_or_deleted(self, merchant: Merchant) -> None:
        quote_id = quote_of(merchant)
        use(merchant, quote_id)
        for statement in (
            "UPDATE payments_quote SET payment_id = NULL",
            "UPDATE payments_quote SET rate = rate_mid",
            "DELETE FROM payments_quote",
        ):
            with pytest.raises(DatabaseError), connection.cursor() as cursor:
                cursor.execute(statement)
        assert fx.get_quote(book_id=merchant.book_id, quote_id=quote_id).payment_id is not None
