import time
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import cards, ids
from apps.core.errors import CardDataNotAllowed

VISA = "4242424242424242"
NUMBERS = {
    "visa": VISA,
    "visa of 13": "4222222222222",
    "visa of 19": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard, 2-series": "2223003122003222",
    "mastercard, first of the 2-series": "2221000000000009",
    "mastercard, last of the 2-series": "2720990000000007",
    "amex": "378282246310005",
    "amex 34": "343434343434343",
    "discover": "6011111111111117",
    "discover 65": "6500000000000002",
    "discover 644": "6440000000000005",
    "diners": "30569309025904",
    "diners 36": "36227206271667",
    "diners 38": "38520000023237",
    "diners of 16": "3056930009020004",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "unionpay of 19": "6205500000000000004",
    "maestro": "6759649826438453",
    "maestro of 12": "501800000009",
    "maestro of 18": "675964982643845303"[:17] + "0",
}


def luhn_digit(body: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def with_luhn(body: str) -> str:
    return body + luhn_digit(body)


NUMBERS["maestro of 18"] = with_luhn("67596498264384530")

networks = st.sampled_from(
    [
        *[("4", 13), ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16)],
        *[("34", 15), ("37", 15), ("6011", 16), ("649", 16), ("65", 19), ("300", 14), ("36", 14)],
        *[("39", 19), ("3528", 16), ("3589", 16), ("62", 16), ("62", 19), ("5018", 12)],
        *[("6763", 19), ("6304", 15)],
    ]
)


@st.composite
def card_numbers(draw):
    prefix, length = draw(networks)
    middle = draw(st.text("0123456789", min_size=length - len(prefix) - 1, max_size=length))
    return with_luhn((prefix + middle)[: length - 1])


@st.composite
def written(draw, number):
    """The number as people write it: separators anywhere."""
    gaps = st.sampled_from(["", "", " ", "-", ".", "  ", " - ", "\u00a0", "\u2011", "\t"])
    return number[0] + "".join(draw(gaps) + digit for digit in number[1:])


class TestFound:
    @pytest.mark.parametrize("number", NUMBERS.values(), ids=list(NUMBERS))
    def test_every_network(self, number):
        assert cards.find_card_number(number)
        assert cards.find_card_number(f"please charge {number}, thanks")

    @given(card_numbers(), st.data())
    def test_however_it_is_written(self, number, data):
        text = data.draw(written(number))

        assert cards.find_card_number(text)
        assert cards.find_card_number(f"({text})")

    @pytest.mark.parametrize(
        "text",
        [
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "4242.4242.4242.4242",
            "4242\u20134242\u20134242\u20134242",
            "pay 4242424242424242 100",
            "12 4242424242424242",
            "2024-05-06 4242 4242 4242 4242 12/27 123",
            "card=4242424242424242&x=1",
            '{"n":"4242424242424242"}',
            "order-4242424242424242",
            "4242424242424242.00",
            "+4242424242424242",
            "\uff14\uff12" * 8,  # full-width digits
            "\u0664\u0662" * 8,  # Arabic-Indic digits
        ],
    )
    def test_inside_of_other_text(self, text):
        assert cards.find_card_number(text)


class TestNotFound:
    @given(card_numbers())
    def test_with_a_wrong_last_digit(self, number):
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)

        assert not cards.find_card_number(wrong)

    @given(card_numbers(), st.sampled_from("abcXYZ_é"), st.booleans())
    def test_as_a_part_of_a_longer_run(self, number, letter, before):
        assert not cards.find_card_number(letter + number if before else number + letter)

    def test_as_a_part_of_more_digits(self):
        assert not cards.find_card_number("1" * 10 + VISA)
        assert not cards.find_card_number(VISA + "0" * 4)

    @given(st.uuids())
    def test_in_a_uuid(self, uuid):
        assert not cards.find_card_number(str(uuid))
        assert not cards.find_card_number(f'"{str(uuid).upper()}"')

    def test_in_a_uuid_of_digits_alone(self):
        assert not cards.find_card_number("42424242-4242-4242-4242-424242424242")
        assert not cards.find_card_number("01900000-0000-7000-8424-242424242424")

    @given(st.uuids(), st.sampled_from(["pay", "card", "req"]))
    def test_in_an_id_of_ours(self, uuid, prefix):
        assert not cards.find_card_number(ids.encode(prefix, uuid))

    @given(st.integers(1_000_000_000_000, 1_999_999_999_999))
    def test_in_a_timestamp_of_milliseconds(self, milliseconds):
        assert not cards.find_card_number(str(milliseconds))
        assert not cards.find_card_number(f"{milliseconds}000")
        assert not cards.find_card_number(f"{milliseconds}000000")

    @given(st.datetimes())
    def test_in_a_written_time(self, moment):
        assert not cards.find_card_number(moment.isoformat())
        assert not cards.find_card_number(moment.strftime("%Y%m%dT%H%M%SZ"))

    @given(st.integers(1, 99), st.integers(10**9, 10**11))
    def test_in_an_international_phone_number(self, country, number):
        assert not cards.find_card_number(f"+{country}{number}")

    @given(st.ip_addresses(v=4))
    def test_in_an_address_of_the_internet(self, address):
        assert not cards.find_card_number(str(address))

    @given(st.text(max_size=200))
    def test_no_text_is_an_error(self, text):
        cards.find_card_number(text)
        assert cards.scrub(cards.scrub(text)) == cards.scrub(text)

    def test_seldom_by_chance(self):
        runs = [str(10**15 + index * 9_000_000_007_919) for index in range(1000)]

        assert sum(map(cards.find_card_number, runs)) < 60  # Luhn alone finds a hundred


class TestScrub:
    def test_removes_the_number_and_nothing_else(self):
        text = "from 4242 4242 4242 4242 to 1700000000000"

        assert cards.scrub(text) == f"from {cards.REMOVED} to 1700000000000"

    @given(card_numbers(), card_numbers())
    def test_leaves_none(self, one, other):
        scrubbed = cards.scrub(f"{one}, {other}")

        assert scrubbed == f"{cards.REMOVED}, {cards.REMOVED}"

    def test_leaves_other_text_as_it_is(self):
        text = f"{uuid4()} {ids.encode('pay', ids.new_id())} 2024-01-01T00:00:00Z"

        assert cards.scrub(text) is text


class TestRefusal:
    @pytest.mark.parametrize(
        "payload",
        [
            {"a": VISA},
            {VISA: "a"},
            {"a": int(VISA)},
            {"a": float(VISA)},
            {"a": {"b": ["x", {"c": f"nr. {VISA}"}]}},
            {"amount": int(VISA)},
            {"amount": VISA},
            {"account_number": VISA},
        ],
    )
    def test_anywhere(self, payload):
        with pytest.raises(CardDataNotAllowed) as caught:
            cards.refuse_card_numbers(payload)

        assert (caught.value.status, caught.value.code) == (422, "card_data_not_allowed")
        assert "4242" not in str(caught.value)

    @pytest.mark.parametrize(
        "payload",
        [
            {"amount": 501800000009},  # an amount like a short Maestro
            {"amount": 10**12},
            {"a": 1700000000000, "b": True, "c": None, "d": 1.5},
            {},
        ],
    )
    def test_not_of_other_numbers(self, payload):
        cards.refuse_card_numbers(payload)

    def test_not_of_the_typed_fields_of_a_bank_account(self):
        payload = {"account_number": VISA, "iban": VISA, "routing_number": VISA}
        cards.refuse_card_numbers(payload, exempt=cards.BANK_ACCOUNT_FIELDS)

    @pytest.mark.parametrize(
        "payload",
        [
            {"account_number": "1", "note": VISA},
            {"account_number": int(VISA)},
            {"account_number": {"number": VISA}},
            {"account_number": [VISA]},
            {"metadata": {"account_number": VISA}},
        ],
    )
    def test_of_everything_around_the_typed_fields(self, payload):
        with pytest.raises(CardDataNotAllowed):
            cards.refuse_card_numbers(payload, exempt=cards.BANK_ACCOUNT_FIELDS)


class TestCheapLook:
    def test_finds_an_ordinary_body_harmless(self):
        assert not cards.is_suspect(b'{"amount": 10000, "currency": "USD", "source": "card_01m8"}')

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a":"4242424242424242"}',
            b'{"a":"4242 4242-4242.4242"}',
            rb'{"a":"\u0034242424242424242"}',
            '{"a":"\uff14242424242424242"}'.encode(),
            '{"a":"4242\u00a04242\u00a04242\u00a04242"}'.encode(),
        ],
    )
    def test_is_not_fooled_by_escapes_and_alphabets(self, raw):
        assert cards.is_suspect(raw)

    @pytest.mark.parametrize(
        "text", ["4 ", "1 ", "4-", "42 " * 40, "1" + " " * 999, "4242424242424242 "]
    )
    def test_no_text_of_the_largest_size_takes_long(self, text):
        text = (text * 262_144)[:262_144]
        began = time.process_time()

        cards.find_card_number(text)
        cards.is_suspect(text.encode())

        assert time.process_time() - began < 3
