"""What nobody should send about wallets and quotes: a clear refusal, and nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.payments.tests import purses, tills, truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.test_bad_input import (
    AMOUNTS,
    CARD,
    GOOD,
    UNREADABLE,
    assert_refused,
    send,
)
from apps.payments.tests.test_withdrawals import owner_of

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


class TestAWalletThatIsNotActive:
    """Nothing goes out of a frozen one, nothing in or out of a closed one."""

    @pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
    @pytest.mark.parametrize(
        "door", ["source", "wallet", "transfer", "hold", "withdraw", "destination", "top_up", "to"]
    )
    def test_is_not_spent_from_and_a_closed_one_not_filled(
        self, merchant: Merchant, status: str, door: str
    ) -> None:
        frozen, other = purses.wallet(merchant, 5_000), purses.wallet(merchant, 5_000)
        tills.bank(merchant, customer_id=owner_of(frozen))
        purses.set_status(frozen, status)
        path, body = {
            "source": ("/v1/payments", {**GOOD, "source": frozen}),
            "wallet": ("/v1/payments", {**GOOD, "wallet": frozen, "wallet_amount": 100}),
            "transfer": (f"/v1/wallets/{frozen}/transfer", {"amount": 100, "to": other}),
            "hold": (f"/v1/wallets/{frozen}/holds", {"amount": 100}),
            "withdraw": (f"/v1/wallets/{frozen}/withdraw", {"amount": 100}),
            "destination": ("/v1/payments", {**GOOD, "destination": frozen}),
            "top_up": (f"/v1/wallets/{frozen}/top_up", {"amount": 100, "source": "pm_card_visa"}),
            "to": (f"/v1/wallets/{other}/transfer", {"amount": 100, "to": frozen}),
        }[door]
        before = truth.counts()

        answer = send(merchant, path, json.dumps(body).encode())

        if status == "FROZEN" and door in ("destination", "top_up", "to"):
            assert answer.status_code == 201
            return
        assert_refused(answer, 409, f"wallet_{status.lower()}")
        # A conflict is an answer, and kept under its key.
        assert truth.counts() == {**before, "idempotency_key": before["idempotency_key"] + 1}
        assert purses.inside(merchant, frozen) == (5_000, 0)
        assert purses.inside(merchant, other) == (5_000, 0)


class TestATransferToItself:
    def test_changes_nothing(self, merchant: Merchant, purse: str) -> None:
        path, body = f"/v1/wallets/{purse}/transfer", {"amount": 100, "to": purse}
        before = truth.counts()

        assert_refused(send(merchant, path, json.dumps(body).encode()), 422, "self_transfer")

        assert truth.counts() == before
