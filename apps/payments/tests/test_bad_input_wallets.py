"""What nobody should send about wallets and quotes: a clear refusal, and nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.payments.tests import purses, truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.test_bad_input import (
    AMOUNTS,
    CARD,
    GOOD,
    UNREADABLE,
    assert_refused,
    send,
)

NOBODYS = "01jzzzzzzzzzzzzzzzzzzzzzzz"


@pytest.fixture
def purse(merchant: Merchant) -> str:
    return purses.wallet(merchant, 5_000)


@pytest.fixture
def doors(merchant: Merchant, purse: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every order about a wallet: its path, and a body that would do."""
    other = purses.wallet(merchant)
    return {
        "pay": ("/v1/payments", {**GOOD, "wallet": purse, "wallet_amount": 100}),
        "top_up": (f"/v1/wallets/{purse}/top_up", {"amount": 100, "source": "pm_card_visa"}),
        "transfer": (f"/v1/wallets/{purse}/transfer", {"amount": 100, "to": other}),
        "capture": (f"/v1/wallets/{purse}/holds/hold_{NOBODYS}/capture", {"amount": 100}),
    }


DOORS = ("pay", "top_up", "transfer", "capture")


class TestABodyThatNobodyCanRead:
    @pytest.mark.parametrize("door", DOORS)
    @pytest.mark.parametrize("what", UNREADABLE)
    def test_changes_nothing(
        self, merchant: Merchant, doors: dict[str, Any], door: str, what: str
    ) -> None:
        before = truth.counts()

        assert_refused(send(merchant, doors[door][0], UNREADABLE[what]))

        assert truth.counts() == before


class TestAnAmountThatIsNone:
    @pytest.mark.parametrize("door", DOORS)
    @pytest.mark.parametrize("amount", AMOUNTS)
    def test_changes_nothing(
        self, merchant: Merchant, doors: dict[str, Any], door: str, amount: str
    ) -> None:
        path, body = doors[door]
        name = "wallet_amount" if door == "pay" else "amount"
        rest = json.dumps({key: value for key, value in body.items() if key != name})
        before = truth.counts()

        assert_refused(send(merchant, path, f'{rest[:-1]}, "{name}": {amount}}}'.encode()))

        assert truth.counts() == before


class TestAFieldThatIsNone:
    @pytest.mark.parametrize("door", DOORS)
    def test_is_unknown(self, merchant: Merchant, doors: dict[str, Any], door: str) -> None:
        path, body = doors[door]

        error = assert_refused(send(merchant, path, json.dumps({**body, "x": 1}).encode()))

        assert error["param"] == "x"

    @pytest.mark.parametrize("door", DOORS)
    def test_holds_a_card_number(
        self, merchant: Merchant, doors: dict[str, Any], door: str
    ) -> None:
        path, body = doors[door]
        sent = json.dumps({**body, "metadata": {"note": CARD}}).encode()
        before = truth.counts()

        assert_refused(send(merchant, path, sent), 422, "card_data_not_allowed")

        assert truth.counts() == before

    @pytest.mark.parametrize(
        "fields",
        [
            {"wallet": 7},
            {"wallet": None},
            {"wallet": ["wallet_x"]},
            {"quote": 7},
            {"quote": {}},
            {"source": ["wallet_x"]},
        ],
    )
    def test_is_of_another_type(
        self, merchant: Merchant, doors: dict[str, Any], fields: dict[str, Any]
    ) -> None:
        path, body = doors["pay"]
        before = truth.counts()

        assert_refused(send(merchant, path, json.dumps({**body, **fields}).encode()))

        assert truth.counts() == before

    @pytest.mark.parametrize(
        "fields",
        [
            {"wallet": f"wallet_{NOBODYS}"},
            {"wallet": "wallet_"},
            {"wallet": "pay_" + NOBODYS},
            {"source": f"wallet_{NOBODYS}", "wallet": ""},
            {"quote": f"quote_{NOBODYS}"},
            {"quote": "quote_!"},
            {"destination": f"wallet_{NOBODYS}"},
        ],
    )
    def test_names_what_is_nobodys(
        self, merchant: Merchant, doors: dict[str, Any], fields: dict[str, Any]
    ) -> None:
        path, body = doors["pay"]
        asked = {key: value for key, value in {**body, **fields}.items() if value != ""}
        if "wallet" not in asked:
            asked.pop("wallet_amount")
        before = truth.counts()

        assert_refused(send(merchant, path, json.dumps(asked).encode()), 404, "resource_missing")

        assert truth.counts() == before

    @pytest.mark.parametrize("door", ["top_up", "transfer", "capture"])
    def test_is_another_merchants_wallet(
        self, other_merchant: Merchant, doors: dict[str, Any], door: str
    ) -> None:
        path, body = doors[door]
        before = truth.counts()

        sent = send(other_merchant, path, json.dumps(body).encode())

        assert_refused(sent, 404, "resource_missing")
        assert truth.counts() == before
