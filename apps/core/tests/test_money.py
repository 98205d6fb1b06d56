from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import money
from apps.core.money import Money

CODES = sorted(money._CURRENCIES)
codes = st.sampled_from(CODES)
units = st.integers(-(10**14), 10**14)


class TestCurrencies:
    @pytest.mark.parametrize(
        ("code", "decimals"),
        [
            *[(code, 0) for code in ("JPY", "KRW", "UGX", "ISK", "CLP", "VND", "XOF", "XAF")],
            *[(code, 2) for code in ("USD", "EUR", "HUF", "TWD", "MGA", "MRU", "IDR", "XCG")],
            *[(code, 3) for code in ("BHD", "KWD", "JOD", "OMR", "TND", "LYD", "IQD")],
            *[(code, 4) for code in ("CLF", "UYW")],
        ],
    )
    def test_exponents_are_those_of_iso_4217(self, code, decimals):
        assert money.exponent(code) == decimals

    def test_no_exponent_exceeds_the_ledgers_four_decimals(self):
        assert {money.exponent(code) for code in CODES} == {0, 2, 3}

    @pytest.mark.parametrize(
        "code", ["USD", "EUR", "JPY", "KWD", "XOF", "XPF", "XCG", "ZWG", "VES"]
    )
    def test_in_use(self, code):
        assert money.is_currency(code)

    @pytest.mark.parametrize(
        "code",
        [
            *["XAU", "XAG", "XPT", "XPD", "XXX", "XTS", "XDR", "XUA", "XSU", "XBA"],  # no money
            *["CHE", "CHW", "CLF", "USN", "BOV", "COU", "MXV", "UYI", "UYW"],  # funds
            *["DEM", "FRF", "HRK", "BGN", "ANG", "ZWL", "VEF", "SLL", "CUC"],  # of the past
            *["usd", "US", "USDT", "", "AAA", "BTC", " USD", "CNH", None, 840, ["USD"]],
        ],
    )
    def test_not_in_use(self, code):
        assert not money.is_currency(code)

    @pytest.mark.parametrize("code", ["XAU", "XXX", "DEM", "nope", ""])
    def test_what_has_no_minor_unit_is_refused(self, code):
        with pytest.raises(money.UnknownCurrency) as caught:
            money.exponent(code)

        assert (caught.value.status, caught.value.code) == (400, "parameter_invalid")

    def test_there_are_as_many_as_there_are(self):
        assert len(CODES) == 155


class TestMinorUnits:
    @given(units, codes)
    def test_and_back(self, amount, code):
        assert money.to_minor(money.from_minor(amount, code)) == amount

    @given(st.integers(-(10**40), 10**40))
    def test_of_no_size_lose_a_digit(self, amount):
        assert money.to_minor(money.from_minor(amount, "USD")) == amount

    def test_are_placed_by_the_currency(self):
        assert money.from_minor(1050, "USD") == Money("10.50", "USD")
        assert money.from_minor(1050, "JPY") == Money("1050", "JPY")
        assert money.from_minor(1050, "KWD") == Money("1.050", "KWD")
        assert money.from_minor(10500, "CLF") == Money("1.05", "CLF")

    def test_are_integers(self):
        for amount in (True, 1.0, "1", Decimal(1), None):
            with pytest.raises(TypeError):
                money.from_minor(amount, "USD")

    @pytest.mark.parametrize(
        ("amount", "code"), [("1.005", "USD"), ("1.5", "JPY"), ("0.0001", "KWD")]
    )
    def test_a_part_of_one_is_a_bug(self, amount, code):
        with pytest.raises(money.NotWhole):
            money.to_minor(Money(amount, code))

    def test_zeros_behind_do_not_matter(self):
        assert money.to_minor(Money("10.5000", "USD")) == 1050


class TestRounding:
    @pytest.mark.parametrize(
        ("exact", "rounded"),
        [
            *[("0.005", "0.01"), ("0.015", "0.02"), ("0.025", "0.03"), ("2.675", "2.68")],
            *[("0.0049", "0.00"), ("0.0051", "0.01"), ("-0.005", "-0.01"), ("-0.0149", "-0.01")],
        ],
    )
    def test_a_tie_goes_away_from_zero(self, exact, rounded):
        assert money.round_minor(Money(exact, "USD")) == Money(rounded, "USD")

    def test_by_the_currencys_unit(self):
        assert money.round_minor(Money("1.5", "JPY")) == Money("2", "JPY")
        assert money.round_minor(Money("1.5555", "KWD")) == Money("1.556", "KWD")

    @given(st.decimals(-(10**12), 10**12, allow_nan=False, places=8), codes)
    def test_is_never_further_than_half_a_unit(self, exact, code):
        rounded = money.round_half_up(exact, code)

        assert abs(rounded.amount - exact) * 10 ** money.exponent(code) * 2 <= 1
        assert money.round_minor(rounded) == rounded

    def test_basis_points(self):
        assert money.fraction(Money("100.00", "USD"), 290) == Money("2.90", "USD")
        assert money.fraction(Money("0.50", "USD"), 290) == Money("0.01", "USD")  # 1.45 cents
        assert money.fraction(Money("50", "JPY"), 290) == Money("1", "JPY")  # 1.45 yen
        assert money.fraction(Money("50", "JPY"), 300) == Money("2", "JPY")  # 1.5 yen

    @given(units, codes, st.integers(0, 10_000))
    def test_no_fraction_exceeds_the_whole(self, amount, code, points):
        whole = money.from_minor(amount, code)

        assert abs(money.fraction(whole, points).amount) <= abs(whole.amount)


class TestProrate:
    def test_a_fee_given_back_with_a_third(self):
        fee, whole = Money("3.00", "USD"), Money("100.00", "USD")

        assert money.prorate(fee, Money("33.33", "USD"), whole) == Money("1.00", "USD")

    @given(st.integers(0, 10**10), st.lists(st.integers(1, 10**9), min_size=1, max_size=8), codes)
    def test_pieces_booked_as_differences_add_up(self, fee, pieces, code):
        amount, whole = money.from_minor(fee, code), money.from_minor(sum(pieces), code)
        given_back, done, parts = 0, 0, []
        for piece in pieces:
            done += piece
            total = money.to_minor(money.prorate(amount, money.from_minor(done, code), whole))
            parts.append(total - given_back)
            given_back = total

        assert sum(parts) == fee
        assert min(parts) >= 0

    def test_the_amount_may_be_of_another_currency_than_the_share(self):
        share = Money("1", "JPY"), Money("3", "JPY")

        assert money.prorate(Money("1.00", "USD"), *share) == Money("0.33", "USD")

    def test_a_share_is_of_one_currency(self):
        with pytest.raises(ValueError, match="no part"):
            money.prorate(Money("1", "USD"), Money("1", "USD"), Money("3", "EUR"))


weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any)


class TestSplit:
    @given(units, codes, weights, st.data())
    def test_neither_loses_nor_makes_a_unit(self, amount, code, weights, data):
        party = data.draw(st.integers(0, len(weights) - 1))
        whole = money.from_minor(amount, code)

        shares = [money.to_minor(s) for s in money.split(whole, weights, remainder_to=party)]

        assert sum(shares) == amount
        assert len(shares) == len(weights)
        for index, (share, weight) in enumerate(zip(shares, weights, strict=True)):
            exact = abs(amount) * weight / sum(weights)
            slack = len(weights) if index == party else 1
            assert abs(abs(share) - exact) <= slack + abs(exact) * 1e-9
            assert share * amount >= 0

    def test_the_remainder_goes_to_a_named_party(self):
        ten = Money("0.10", "USD")

        assert money.split(ten, [1, 1, 1]) == [Money(x, "USD") for x in ("0.04", "0.03", "0.03")]
        assert money.split(ten, [1, 1, 1], remainder_to=2)[2] == Money("0.04", "USD")

    def test_weightless_parties_get_nothing(self):
        assert money.split(Money("1.00", "USD"), [0, 5]) == [Money(0, "USD"), Money(1, "USD")]

    @pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1, 2], [2, -1]])
    def test_needs_weights(self, weights):
        with pytest.raises(ValueError, match="weights"):
            money.split(Money("1.00", "USD"), weights)

    def test_does_not_round_for_others(self):
        with pytest.raises(money.NotWhole):
            money.split(Money("1.001", "USD"), [1])


class TestShown:
    @pytest.mark.parametrize(
        ("amount", "code", "text"),
        [
            ("1234.5", "USD", "$1,234.50"),
            ("-500", "JPY", "-¥500"),
            ("1.25", "KWD", "KWD\N{NO-BREAK SPACE}1.250"),
            ("-1.25", "KWD", "-KWD\N{NO-BREAK SPACE}1.250"),
            ("7", "CLP", "CLP\N{NO-BREAK SPACE}7"),
        ],
    )
    def test_is_as_a_person_reads_it(self, amount, code, text):
        assert money.shown(Money(amount, code)) == text
