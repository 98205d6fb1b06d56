"""What nobody should send gets the answer that docs/api.md names, and changes nothing at all."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from paysys.testing.simulator import Simulator

GOOD = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}
CARD = "4242424242424242"
CARDS = [CARD, "4242 4242 4242 4242", "4242-4242-4242-4242", "5555555555554444", "378282246310005"]

AMOUNTS = [
    "0",
    "-1",
    "1.5",
    "1.0",
    "1e3",
    '"10"',
    "true",
    "null",
    "[]",
    "{}",
    str(2**63),
    str(10**400),
]
AMOUNTS += ["1000000000001", "-9223372036854775808", "NaN", "Infinity", "-Infinity"]

# Bodies that no endpoint can read, whatever it is about.
UNREADABLE = {
    "not JSON": b"{",
    "a list": b"[]",
    "a text": b'"amount"',
    "null": b"null",
    "two documents": b"{}{}",
    "not UTF-8": b'{"reason": "\xff"}',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "an open text": b'{"amount": "',
    "a key twice": b'{"amount": 1, "amount": 2}',
    "depth 1000": b'{"metadata":' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
    "depth 100000": b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "depth 11": b'{"metadata":' + b"[" * 10 + b"]" * 10 + b"}",
    "a raw NUL": b'{"reason": "a\x00b"}',
    "an escaped NUL": rb'{"reason": "a\u0000b"}',
    "a NUL in a name": rb'{"a\u0000b": 1}',
    "half a surrogate pair": rb'{"reason": "\ud800"}',
    "the other half": rb'{"metadata": {"\udc00": "x"}}',
}


def send(merchant: Merchant, path: str, body: bytes, **headers: str) -> Any:
    return Client().post(
        path,
        body,
        content_type=headers.pop("Content-Type", "application/json"),
        headers={
            "Authorization": f"Bearer {merchant.api_key}",
            "Idempotency-Key": uuid4().hex,
            **headers,
        },
    )


def payment(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def raw(name: str, value: str) -> bytes:
    """A payment one of whose fields is exactly these characters."""
    rest = {key: given for key, given in GOOD.items() if key != name}
    return json.dumps(rest)[:-1].encode() + f', "{name}": {value}}}'.encode()


def assert_refused(answer: Any, status: int = 400, code: str = "parameter_invalid") -> Any:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["request_id"].startswith("req_")
    assert error["message"]
    return error


@pytest.fixture
def nothing_changes(simulator: Simulator) -> Any:
    """Around a refused request: every table has the rows it had, and nobody outside was asked."""
    before, outside = truth.counts(), simulator.book()
    yield
    assert truth.counts() == before
    assert simulator.book() == outside


@pytest.fixture
def paths(merchant: Merchant) -> dict[str, str]:
    """Where orders go: to a new payment, an authorized and a captured one."""
    authorized = merchant.pay(capture_method="manual").json()["id"]
    captured = merchant.pay(capture_method="manual").json()["id"]
    merchant.post(f"/v1/payments/{captured}/capture")
    return {
        "payment": "/v1/payments",
        "capture": f"/v1/payments/{authorized}/capture",
        "void": f"/v1/payments/{authorized}/void",
        "refund": f"/v1/payments/{captured}/refund",
    }


class TestABodyThatCannotBeRead:
    @pytest.mark.parametrize("name", UNREADABLE)
    def test_is_400_everywhere(self, merchant: Merchant, paths: Any, name: str) -> None:
        before = truth.counts()

        for path in paths.values():
            assert_refused(send(merchant, path, UNREADABLE[name]))

        assert truth.counts() == before

    def test_of_ten_megabytes_is_413(self, merchant: Merchant, paths: Any) -> None:
        large = payment(description="x" * 10_000_000)
        before = truth.counts()

        for path in paths.values():
            assert_refused(send(merchant, path, large), 413, "body_too_large")

        assert truth.counts() == before

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x"])
    def test_of_another_kind_is_415(self, merchant: Merchant, paths: Any, kind: str) -> None:
        before = truth.counts()

        for path in paths.values():
            answer = send(merchant, path, payment(), **{"Content-Type": kind})
            assert_refused(answer, 415, "media_type_unsupported")

        assert truth.counts() == before


class TestAnAmount:
    @pytest.mark.parametrize("amount", AMOUNTS)
    def test_is_an_integer_from_1_to_a_trillion(
        self, merchant: Merchant, paths: Any, amount: str
    ) -> None:
        before = truth.counts()

        assert_refused(send(merchant, paths["payment"], raw("amount", amount)))
        for order in ("capture", "refund"):
            assert_refused(send(merchant, paths[order], f'{{"amount": {amount}}}'.encode()))

        assert truth.counts() == before

    def test_that_is_missing_is_named(self, merchant: Merchant, nothing_changes: Any) -> None:
        error = assert_refused(send(merchant, "/v1/payments", b'{"currency": "USD"}'))

        assert error["param"] in ("amount", "source")

    def test_that_is_too_large_for_the_provider_is_declined(self, merchant: Merchant) -> None:
        answer = merchant.pay(10**12)

        assert answer.status_code == 402, answer.content
        assert answer.json()["error"]["decline_code"] == "amount_not_supported"
        assert truth.violations() == {}


class TestAField:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("currency", value) for value in ('"usd"', '"XXX"', '"XAU"', '"US"', '"USDD"')),
            *(("currency", value) for value in ('""', "840", "null", '["USD"]', '"ÜSD"')),
            *(("source", value) for value in ('""', "1", "null", "{}", '"' + "p" * 256 + '"')),
            *(("capture_method", value) for value in ('"later"', '""', "true", "null")),
            *(("reference", value) for value in ('""', "7", '"' + "r" * 101 + '"', "null")),
            *(("description", value) for value in ("7", '"' + "d" * 501 + '"')),
            *(("return_url", value) for value in ('"nowhere"', '"javascript:alert(1)"', "7")),
            *(("destination", value) for value in ("7", "null", "[]")),
            *(("metadata", value) for value in ("[]", '"x"', "null", '{"k": 1}', '{"k": {}}')),
            *(("metadata", value) for value in ('{"": "x"}', '{"' + "k" * 41 + '": "x"}')),
            ("metadata", '{"k": "' + "v" * 501 + '"}'),
            ("metadata", json.dumps({str(n): "" for n in range(51)})),
            *((name, "1") for name in ("id", "status", "Amount", "fee", "amount ", "__class__")),
        ],
    )
    def test_of_the_wrong_kind_is_refused(
        self, merchant: Merchant, nothing_changes: Any, name: str, value: str
    ) -> None:
        error = assert_refused(send(merchant, "/v1/payments", raw(name, value)))

        assert error["param"].startswith(name)

    @pytest.mark.parametrize("order", ["capture", "void", "refund"])
    def test_that_an_order_does_not_know_is_refused(
        self, merchant: Merchant, paths: Any, order: str
    ) -> None:
        before = truth.counts()

        assert_refused(send(merchant, paths[order], b'{"currency": "USD"}'))

        assert truth.counts() == before

    @pytest.mark.parametrize(
        "source", ["x", "card_", "card_01m83nbre4e88tvzp12c5p35ke", "wallet_x"]
    )
    def test_that_names_nobody_is_404(
        self, merchant: Merchant, nothing_changes: Any, source: str
    ) -> None:
        assert_refused(
            send(merchant, "/v1/payments", payment(source=source)), 404, "resource_missing"
        )

    def test_may_hold_every_character_there_is(self, merchant: Merchant) -> None:
        odd = "ä \u2028 \U0001f4b8 '\"; DROP TABLE payments_payment; -- %s %% \\ {0} \x7f"

        answer = merchant.pay(description=odd, reference=odd[:40], metadata={odd[:20]: odd})

        assert answer.status_code == 201, answer.content
        shown = merchant.get(f"/v1/payments/{answer.json()['id']}").json()
        assert (shown["description"], shown["metadata"]) == (odd, {odd[:20]: odd})
        assert merchant.get(f"/v1/payments?reference={quote(odd[:40])}").json()["data"] == [shown]


class TestTheIdempotencyKey:
    @pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\tb"])
    def test_is_printable_and_not_too_long(
        self, merchant: Merchant, nothing_changes: Any, key: str
    ) -> None:
        answer = send(merchant, "/v1/payments", payment(), **{"Idempotency-Key": key})

        assert answer.status_code == 400, answer.content

    def test_is_required_of_every_order(self, merchant: Merchant, paths: Any) -> None:
        before = truth.counts()
        for path in paths.values():
            answer = Client().post(
                path,
                payment() if path == "/v1/payments" else b"{}",
                content_type="application/json",
                headers={"Authorization": f"Bearer {merchant.api_key}"},
            )
            assert answer.status_code == 400, answer.content
        assert truth.counts() == before


class TestACardNumber:
    @pytest.mark.parametrize("number", CARDS)
    @pytest.mark.parametrize(
        "field", ["source", "description", "reference", "destination", "return_url", "unknown"]
    )
    def test_in_a_field_is_refused_and_neither_stored_nor_logged(
        self, merchant: Merchant, nothing_changes: Any, nowhere: Any, number: str, field: str
    ) -> None:
        answer = send(merchant, "/v1/payments", payment(**{field: f"x {number}"}))

        assert_refused(answer, 422, "card_data_not_allowed")
        nowhere(number, answer)

    @pytest.mark.parametrize("metadata", [{"card": CARD}, {CARD: "x"}, {"a": f"pan={CARD};cvc=1"}])
    def test_in_the_metadata_is_refused_everywhere(
        self, merchant: Merchant, paths: Any, nowhere: Any, metadata: dict[str, str]
    ) -> None:
        before = truth.counts()
        for path, body in ((paths["payment"], GOOD), (paths["refund"], {})):
            answer = send(merchant, path, json.dumps({**body, "metadata": metadata}).encode())
            assert_refused(answer, 422, "card_data_not_allowed")
            nowhere(CARD, answer)
        assert truth.counts() == before

    def test_as_an_amount_is_refused(self, merchant: Merchant, nothing_changes: Any) -> None:
        answer = send(merchant, "/v1/payments", raw("amount", CARD))

        assert answer.status_code in (400, 422)

    def test_in_a_header_a_query_or_an_address_is_refused(
        self, merchant: Merchant, nothing_changes: Any, nowhere: Any
    ) -> None:
        key = {"Idempotency-Key": f"pay-{CARD}"}
        answers = [
            send(merchant, "/v1/payments", payment(), **key),
            merchant.get(f"/v1/payments?reference={CARD}"),
            merchant.get(f"/v1/payments?metadata[{CARD}]=x"),
            merchant.get(f"/v1/payments/{CARD}"),
            send(merchant, f"/v1/payments/{CARD}/refund", b"{}"),
        ]

        for answer in answers:
            assert_refused(answer, 422, "card_data_not_allowed")
            nowhere(CARD, answer)


@pytest.fixture
def nowhere() -> Iterator[Any]:
    """Neither in an answer, nor in the log as it is written, nor in any table."""
    written = io.StringIO()
    [handler] = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
    before = handler.setStream(written)

    def check(number: str, answer: Any) -> None:
        assert number not in answer.content.decode()
        assert "request.answered" in written.getvalue(), "the log is not where we look for it"
        assert number not in written.getvalue()
        with connection.cursor() as cursor:
            for table in truth.counts():
                cursor.execute(
                    f"SELECT count(*) FROM {table} t WHERE strpos(t::text, %s) > 0", [number]
                )
                assert cursor.fetchone() == (0,), table

    yield check
    handler.setStream(before)
