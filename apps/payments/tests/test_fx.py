"""What a rate is, where it comes from, how old it may be, and that a conversion loses no unit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import InvalidRequest
from apps.core.money import Money, from_minor, prorate, to_minor
from apps.ledger.chart import PLATFORM_BOOK
from apps.payments import fx
from apps.payments.models import ExchangeRate
from apps.payments.services import quotes

FRIDAY, SATURDAY, SUNDAY = date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)
BEFORE = date(2026, 10, 29)
PURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

codes = st.sampled_from(["JPY", "CLP", "USD", "EUR", "KWD", "BHD"])


def set_rate(currency: str, per_euro: str, day: date) -> ExchangeRate:
    return quotes.set_rate(
        currency=currency,
        day=day,
        per_euro=Decimal(per_euro),
        actor="staff:7",
        now=datetime(2026, 11, 20, tzinfo=UTC),
    )


class TestMidRate:
    def test_is_the_central_banks_of_the_day(self):
        assert fx.mid_rate("EUR", "USD", on=FRIDAY) == fx.Mid(Decimal("1.1172"), FRIDAY)
        assert fx.mid_rate("EUR", "USD", on=BEFORE) == fx.Mid(Decimal("1.113"), BEFORE)

    def test_between_two_others_is_their_ratio_to_twelve_decimals(self):
        assert fx.mid_rate("USD", "JPY", on=FRIDAY).rate == Decimal("157.250268528464")
        assert fx.mid_rate("JPY", "USD", on=FRIDAY).rate == Decimal("0.006359289617")
        assert fx.mid_rate("USD", "EUR", on=FRIDAY).rate == Decimal("0.895094880057")

    def test_on_a_day_without_one_is_the_newest_before(self):
        assert fx.mid_rate("EUR", "GBP", on=SUNDAY) == fx.Mid(Decimal("0.8338"), FRIDAY)

    def test_is_never_that_of_a_later_day(self):
        set_rate("USD", "9", SUNDAY)
        assert fx.mid_rate("EUR", "USD", on=SATURDAY).rate == Decimal("1.1172")

    def test_is_exact_and_no_float(self):
        assert isinstance(fx.mid_rate("EUR", "USD", on=FRIDAY).rate, Decimal)
        assert fx.mid_rate("EUR", "HUF", on=FRIDAY).rate == Decimal("366.33")

    @pytest.mark.parametrize("code", ["KWD", "HRK", "RUB", "SIT", "CLP"])
    def test_of_a_currency_nobody_quotes_is_refused(self, code):
        for pair in ((code, "EUR"), ("USD", code)):
            with pytest.raises(fx.NotConvertible) as caught:
                fx.mid_rate(*pair, on=FRIDAY)
            assert (caught.value.status, caught.value.code) == (422, "currency_not_convertible")

    def test_before_the_table_begins_there_is_none(self):
        with pytest.raises(fx.NotConvertible):
            fx.mid_rate("EUR", "USD", on=date(2014, 3, 28))

    def test_table_is_loaded_once_and_without_its_past(self):
        fx.mid_rate("EUR", "USD", on=FRIDAY)
        first, last = fx._table().bounds["USD"]

        assert fx._table() is fx._table()
        assert (last - first).days < 2 * fx.DAYS_LOADED
        assert len(fx._table().currencies) < 35


class TestOurOwnRates:
    def test_go_before_the_central_banks_of_the_same_day(self):
        set_rate("USD", "1.25", FRIDAY)
        assert fx.mid_rate("EUR", "USD", on=FRIDAY) == fx.Mid(Decimal("1.25"), FRIDAY)

    def test_go_before_the_central_banks_of_an_earlier_day(self):
        set_rate("USD", "1.25", SATURDAY)
        assert fx.mid_rate("EUR", "USD", on=SUNDAY) == fx.Mid(Decimal("1.25"), SATURDAY)
        assert fx.mid_rate("EUR", "USD", on=FRIDAY).rate == Decimal("1.1172")

    def test_give_way_to_the_central_banks_of_a_later_day(self):
        set_rate("USD", "1.25", BEFORE)
        assert fx.mid_rate("EUR", "USD", on=FRIDAY).rate == Decimal("1.1172")

    def test_of_one_day_the_later_set_counts(self):
        set_rate("USD", "1.25", FRIDAY)
        set_rate("USD", "1.26", FRIDAY)
        set_rate("USD", "1.20", BEFORE)
        assert fx.mid_rate("EUR", "USD", on=FRIDAY).rate == Decimal("1.26")

    def test_make_a_currency_convertible_that_the_bank_does_not_quote(self):
        set_rate("KWD", "0.34", SATURDAY)
        assert fx.mid_rate("KWD", "USD", on=SUNDAY) == fx.Mid(Decimal("3.285882352941"), FRIDAY)

    def test_are_kept_for_ever(self):
        set_rate("USD", "1.25", FRIDAY)
        for statement in (
            "UPDATE payments_exchange_rate SET per_euro = 2",
            "DELETE FROM payments_exchange_rate",
        ):
            with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
                cursor.execute(statement)

    def test_too_far_apart_for_twelve_decimals_are_no_rates(self):
        set_rate("KWD", "0.000000000001", FRIDAY)
        set_rate("IDR", "999999999999", FRIDAY)
        for pair in (("KWD", "IDR"), ("IDR", "KWD")):
            with pytest.raises(fx.NotConvertible):
                fx.mid_rate(*pair, on=FRIDAY)

    def test_cost_one_query(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            fx.mid_rate("USD", "JPY", on=FRIDAY)


class TestAge:
    def test_rate_within_its_age_is_good_and_a_day_later_stale(self, settings):
        settings.PAYSYS_FX_MAX_AGE_DAYS = 1
        assert fx.mid_rate("EUR", "USD", on=SATURDAY).rates_of == FRIDAY

        with pytest.raises(fx.RateStale) as caught:
            fx.mid_rate("EUR", "USD", on=SUNDAY)
        assert (caught.value.status, caught.value.code) == (422, "rate_stale")
        assert caught.value.extra == {"rates_of": "2026-10-30"}

    def test_older_of_two_rates_decides(self, settings):
        settings.PAYSYS_FX_MAX_AGE_DAYS = 1
        set_rate("USD", "1.12", SUNDAY)

        assert fx.mid_rate("USD", "EUR", on=SUNDAY).rates_of == SUNDAY
        with pytest.raises(fx.RateStale):
            fx.mid_rate("USD", "GBP", on=SUNDAY)

    def test_rate_of_our_own_ages_too(self, settings):
        settings.PAYSYS_FX_MAX_AGE_DAYS = 1
        set_rate("KWD", "0.34", FRIDAY)
        with pytest.raises(fx.RateStale):
            fx.mid_rate("EUR", "KWD", on=SUNDAY)

    def test_week_covers_the_days_around_easter(self, settings):
        settings.PAYSYS_FX_MAX_AGE_DAYS = 5
        maundy_thursday, tuesday = date(2026, 4, 2), date(2026, 4, 7)
        days = [maundy_thursday + timedelta(days=n) for n in range(5)]

        assert {fx.mid_rate("EUR", "USD", on=day).rates_of for day in days} == {maundy_thursday}
        assert fx.mid_rate("EUR", "USD", on=tuesday).rates_of == tuesday


class TestSetRate:
    def test_command_sets_todays_rate_and_the_trail_says_who_did(self, capsys):
        call_command("set_rate", "USD", "1.0832")

        row = ExchangeRate.objects.get()
        today = clock.now().date()
        assert (row.currency, row.day, row.per_euro) == ("USD", today, Decimal("1.0832"))
        entry = AuditEntry.objects.get(subject_id=row.id)
        assert (entry.book_id, entry.action) == (PLATFORM_BOOK, "exchange_rate.set")
        assert entry.actor == row.set_by
        assert entry.facts == {"currency": "USD", "day": str(today), "per_euro": "1.0832"}
        assert "USD 1.0832" in capsys.readouterr().out

    def test_command_takes_a_day(self):
        call_command("set_rate", "KWD", "0.345", "--day", "2026-10-01")
        assert ExchangeRate.objects.get().day == date(2026, 10, 1)

    @pytest.mark.parametrize(
        "arguments",
        [
            *[("EUR", "1"), ("XAU", "1"), ("usd", "1"), ("nope", "1")],
            *[("USD", rate) for rate in ("0", "-1", "NaN", "Infinity", "1e12", "1e-13", "a", "")],
            ("USD", "1", "--day", "2999-01-01"),
            ("USD", "1", "--day", "yesterday"),
        ],
    )
    def test_what_is_no_rate_is_refused_and_sets_nothing(self, arguments):
        with pytest.raises(CommandError):
            call_command("set_rate", *[a if a != "-1" else " -1" for a in arguments])
        assert not ExchangeRate.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_service_names_what_is_wrong(self):
        with pytest.raises(InvalidRequest) as caught:
            set_rate("EUR", "1", FRIDAY)
        assert caught.value.param == "currency"


class TestConversion:
    def test_a_payment_in_euros_for_a_merchant_in_dollars(self):
        rate_mid = Decimal("1.1172")
        rate = fx.less_spread(rate_mid, 100)

        assert rate == Decimal("1.106028")
        assert fx.converted(
            Money("80.00", "EUR"), to_currency="USD", rate=rate, rate_mid=rate_mid
        ) == (Money("89.38", "USD"), Money("88.48", "USD"), Money("0.90", "USD"))

    @pytest.mark.parametrize(
        ("amount", "code", "to", "rate_mid", "expected"),
        [
            (10_000, "JPY", "USD", "0.006359289617", (6359, 6296, 63)),
            (10_000, "USD", "JPY", "157.250268528464", (15725, 15568, 157)),
            (10_000, "KWD", "USD", "3.285882352941", (3286, 3253, 33)),
            (10_000, "USD", "KWD", "0.304332", (30433, 30129, 304)),
            (1, "JPY", "USD", "0.006359289617", (1, 1, 0)),  # 0.64 cents at the mid
            (1, "IDR", "USD", "0.000055", (0, 0, 0)),
        ],
    )
    def test_is_in_the_minor_units_of_both(self, amount, code, to, rate_mid, expected):
        mid = Decimal(rate_mid)
        made = fx.converted(
            from_minor(amount, code), to_currency=to, rate=fx.less_spread(mid, 100), rate_mid=mid
        )
        assert tuple(to_minor(part) for part in made) == expected

    @given(st.decimals("1E-12", 10**12, places=12), st.integers(0, 9_999))
    @example(Decimal(10**12) - Decimal("1E-12"), 1)
    @PURE
    def test_no_spread_makes_a_rate_above_the_mid(self, mid, points):
        assume(mid < fx.LARGEST_RATE)
        rate = fx.less_spread(mid, points)

        assert 0 <= rate <= mid
        assert rate == mid if points == 0 else rate < mid
        assert mid * (10_000 - points) / 10_000 - rate < fx.RATE_UNIT

    @given(
        units=st.integers(0, 10**12),
        code=codes,
        to=codes,
        mid=st.decimals("1E-9", 10**6, places=12),
        points=st.integers(0, 9_999),
    )
    @PURE
    def test_neither_loses_nor_makes_a_unit(self, units, code, to, mid, points):
        assume(rate := fx.less_spread(mid, points))
        made = fx.converted(from_minor(units, code), to_currency=to, rate=rate, rate_mid=mid)
        mid_units, credited, spread = (to_minor(part) for part in made)  # refuses what is not whole

        assert credited + spread == mid_units
        assert min(credited, spread) >= 0
        assert {part.currency.code for part in made} == {to}
        if points == 0:
            assert spread == 0

    @given(
        parts=st.lists(st.integers(1, 10**9), min_size=1, max_size=8),
        code=codes,
        to=codes,
        mid=st.decimals("1E-6", 10**4, places=12),
        points=st.integers(0, 500),
    )
    @PURE
    def test_refunds_in_parts_take_back_exactly_what_was_credited(
        self, parts, code, to, mid, points
    ):
        assume(rate := fx.less_spread(mid, points))
        captured = from_minor(sum(parts), code)
        made = fx.converted(captured, to_currency=to, rate=rate, rate_mid=mid)
        for whole in made:
            done, taken = 0, []
            for part in parts:
                done += part
                share = to_minor(prorate(whole, from_minor(done, code), captured))
                taken.append(share - sum(taken))
            assert sum(taken) == to_minor(whole)
            assert min(taken) >= 0

    def test_rate_above_the_mid_is_a_bug(self):
        with pytest.raises(AssertionError):
            fx.converted(
                Money(1, "USD"), to_currency="EUR", rate=Decimal("1.1"), rate_mid=Decimal(1)
            )
