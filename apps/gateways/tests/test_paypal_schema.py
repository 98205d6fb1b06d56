"""Every request that we send is one that PayPal's own descriptions allow."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

import pytest
from django.conf import settings

from apps.gateways import services
from apps.gateways.providers.paypal import WALLET
from apps.gateways.tests.desk import refunded
from apps.gateways.tests.dispute_contract import PDF, asked, told
from apps.gateways.tests.test_paypal import AtPayPal
from apps.gateways.types import (
    EVIDENCE,
    FILE_PURPOSES,
    AcceptDisputeRequest,
    EvidenceFile,
    Operation,
    StrongAuthentication,
    SubmitEvidenceRequest,
)
from paysys.testing.paypal_specs import Specs

DISPUTES = "/v1/customer/disputes"
FOLDER = settings.BASE_DIR.parent / "shared" / "data" / "specs" / "paypal"


@pytest.fixture(scope="module")
def specs() -> Specs:
    try:
        return Specs(FOLDER)
    except FileNotFoundError:
        pytest.skip(f"PayPal's descriptions are not beside this checkout ({FOLDER.name})")


class TestRequests(AtPayPal):
    @pytest.fixture
    def sent(self, side, monkeypatch) -> list[tuple[str, str, dict[str, str], Any]]:
        """Every request but those for tokens, as it goes to the connection."""
        requests = []
        exchange = side.provider._api._connections.exchange

        def note(method: str, url: str, **facts: Any) -> Any:
            if "oauth2" not in url:
                body = facts["body"]
                told = None if body is None else _read(body, facts["headers"]["Content-Type"])
                path = url.removeprefix(side.paypal.url)
                requests.append((method, path, facts["headers"], told))
            return exchange(method, url, **facts)

        monkeypatch.setattr(side.provider._api._connections, "exchange", note)
        return requests

    def test_paypal_allows_every_one_of_them(self, desk, side, sent, specs):
        reference = desk.captured()
        refund = desk.send(desk.request(Operation.REFUND, reference, amount=1_000))
        desk.send(desk.request(Operation.INSPECT_REFUND, refund.provider_reference))
        desk.send(desk.request(Operation.VOID, desk.authorized()))
        desk.authorized(token="B-5MM75364DX123456A")
        self._approve_one(desk, side)
        known = desk.request(Operation.CONFIRM, desk.created())
        desk.send(replace(known, sca=StrongAuthentication.REQUIRED))
        desk.send(replace(desk.create_request(), statement_suffix="COPPER KETTLE"))
        self._ask_for_statements(desk, side)
        self._answer_disputes(desk, side, refund.provider_reference)
        signed = side.paypal.deliver(side.paypal.events()[0])
        side.provider.parse_event(signed.body, signed.headers, now=datetime.now(UTC))

        wrong = {
            f"{method} {path}": found
            for method, path, headers, body in sent
            if (found := specs.wrong_with_request(method, path, headers, body))
        }
        assert wrong == {}
        assert refunded(refund).amount_minor == 1_000
        assert {path.split("?")[0].rpartition("/")[2] for _, path, _, _ in sent} >= {
            "orders", "authorize", "confirm-payment-source", "capture", "void", "refund",
            "transactions", "verify-webhook-signature", "provide-evidence", "accept-claim",
        }  # fmt: skip

    def test_what_it_does_not_allow_would_be_seen(self, specs):
        order = "/v2/checkout/orders"
        unit = {"amount": {"currency_code": "USD", "value": "1,00"}, "custom": "x"}

        wrong = specs.wrong_with_request(
            "POST", order, {"PayPal-Request-Id": "x" * 109, "X": "y"}, {"purchase_units": [unit]}
        )

        told = " ".join(wrong)
        for part in ("intent", "1,00", "unknown field custom", "unknown header X", "too long"):
            assert part in told
        parts = [
            *(("files", "a.pdf", b""), ("note", "", b"")),
            ("input", "", b'{"evidences": [{}], "x": 1}'),
        ]
        told = specs.wrong_with_request("POST", f"{DISPUTES}/1/provide-evidence", {}, parts)
        assert told == ["unknown file files", "unknown part note", "$: unknown field x"]
        with pytest.raises(LookupError):
            specs.wrong_with_request("POST", "/v2/checkout/order", {}, {})

    def _answer_disputes(self, desk, side, refund: str) -> None:
        """One that is answered with all that can be said, and one that is given up."""
        for kind, facts in (
            (SubmitEvidenceRequest, {"refund_references": [refund]}),
            (AcceptDisputeRequest, {}),
        ):
            [capture] = side.paypal.order(desk.captured())["captures"]
            opened = side.paypal.dispute(capture["id"])["dispute_id"]
            texts = {name: "text " * (length // 6) for name, length in EVIDENCE.items()}
            files = {
                purpose: EvidenceFile(name="a.pdf", content_type="application/pdf", content=PDF)
                for purpose in FILE_PURPOSES
            }
            intent = asked(desk, kind, opened, **facts)
            told(services.send(intent, evidence=texts, files=files))

    def _approve_one(self, desk, side) -> None:
        approved = desk.created(token=WALLET)
        confirm = desk.request(Operation.CONFIRM, approved)
        desk.send(replace(confirm, return_url="https://shop.example/back"))
        side.paypal.approve(approved)
        desk.send(desk.request(Operation.INSPECT, approved))

    def _ask_for_statements(self, desk, side) -> None:
        payout = side.paypal.pay_out()[0]["id"]
        side.simulator.advance_clock(side.paypal.reporting_delay_seconds)
        since = datetime.now(UTC) - timedelta(days=40)
        assert list(side.provider.statement_lines(since=since))
        assert list(side.provider.statement_lines(payout=payout))


class TestEvents(AtPayPal):
    def test_a_reversal_is_told_in_the_shape_of_a_refund(self, desk, side, specs):
        capture = side.provider.find_payment(desk.captured()).capture_reference
        side.paypal.resolve(side.paypal.dispute(capture)["dispute_id"], won=False)

        signed = side.paypal.deliver(side.paypal.events("PAYMENT.CAPTURE.REVERSED")[0])

        told = json.loads(signed.body)["resource"]
        assert specs.wrong_with_answer("GET", f"/v2/payments/refunds/{told['id']}", 200, told) == []


def _read(body: bytes, content_type: str) -> Any:
    """JSON, or the parts of a multipart body: name, file name, content."""
    if content_type == "application/json":
        return json.loads(body)
    whole = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts: Any = whole.get_payload()
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in parts
    ]
