"""PayPal's webhooks: believed when PayPal says that it sent them, and scrubbed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core import queue
from apps.gateways import inbox, providers, selectors
from apps.gateways.models import InboundEvent
from apps.gateways.providers.paypal import PayPal
from apps.gateways.tests.servers import Server, answer, serving
from apps.gateways.tests.test_paypal import AtPayPal
from apps.gateways.types import Operation
from paysys.testing.paypal import SignedTransmission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bells() -> Iterator[list[Any]]:
    with queue.recorded() as rung:
        yield rung


def receive(raw_body: bytes, headers: Mapping[str, str], *, now: datetime | None = None) -> Any:
    return inbox.receive(
        provider="paypal", raw_body=raw_body, headers=headers, now=now or datetime.now(UTC)
    )


def refused(
    raw_body: bytes, headers: Mapping[str, str], error: type[Exception], **facts: Any
) -> None:
    with pytest.raises(error):
        receive(raw_body, headers, **facts)
    assert not InboundEvent.objects.exists()


class TestFromTheSimulator(AtPayPal):
    @pytest.fixture
    def signed(self, desk, side) -> SignedTransmission:
        desk.captured()
        return side.paypal.deliver(side.paypal.events("PAYMENT.CAPTURE.COMPLETED")[0])

    def test_its_events_are_believed_and_point_to_the_payment(self, desk, side, bells):
        reference = desk.captured()
        refund = desk.send(desk.request(Operation.REFUND, reference, amount=1_000))
        capture = providers.get("paypal").find_payment(reference).capture_reference
        side.paypal.dispute(capture)
        for found in side.paypal.events():
            signed = side.paypal.deliver(found)
            receive(signed.body, signed.headers)

        stored = {event.kind: event for event in InboundEvent.objects.all()}
        assert set(stored) == {
            "PAYMENT.AUTHORIZATION.CREATED",
            "PAYMENT.CAPTURE.COMPLETED",
            "PAYMENT.CAPTURE.REFUNDED",
            "CUSTOMER.DISPUTE.CREATED",
        }
        assert stored["PAYMENT.AUTHORIZATION.CREATED"].payment_reference == reference
        assert stored["PAYMENT.CAPTURE.COMPLETED"].payment_reference == reference
        assert stored["PAYMENT.CAPTURE.COMPLETED"].object_reference == capture
        assert stored["PAYMENT.CAPTURE.COMPLETED"].payment_public_id.startswith("pay_")
        refunded = stored["PAYMENT.CAPTURE.REFUNDED"]
        assert refunded.object_reference == refund.provider_reference
        assert refunded.payment_reference == capture
        assert stored["CUSTOMER.DISPUTE.CREATED"].payment_reference == capture
        assert stored["CUSTOMER.DISPUTE.CREATED"].object_reference.startswith("PP-D-")
        assert len(bells) == 4

    def test_a_reversal_is_about_the_capture_and_not_about_a_dispute_of_its_own_name(
        self, desk, side, bells
    ):
        capture = providers.get("paypal").find_payment(desk.captured()).capture_reference
        side.paypal.resolve(side.paypal.dispute(capture)["dispute_id"], won=False)
        signed = side.paypal.deliver(side.paypal.events("PAYMENT.CAPTURE.REVERSED")[0])

        event = selectors.find_event(receive(signed.body, signed.headers))

        assert event is not None
        assert event.object_reference == event.payment_reference == capture
        told = json.loads(signed.body)
        assert told["resource_type"] == "refund"
        assert told["resource"]["id"] != capture

    def test_an_approval_names_its_order_and_nobody_who_approved(self, desk, side, bells):
        reference = desk.created(token="paypal")
        side.paypal.approve(reference)
        signed = side.paypal.deliver(side.paypal.events("CHECKOUT.ORDER.APPROVED")[0])
        assert b"payer@example.com" in signed.body

        event = selectors.find_event(receive(signed.body, signed.headers))

        assert event is not None
        assert event.payment_reference == event.object_reference == reference
        assert event.payment_public_id.startswith("pay_")
        text = json.dumps(event.payload)
        for gone in ("payer@example.com", "Pat", "Payer", "QYR5Z8XDVJNXQ"):
            assert gone not in text
        assert event.payload["resource"]["purchase_units"][0]["amount"]["value"] == "100.00"

    def test_the_same_event_is_stored_once_however_often_it_is_sent(self, side, signed, bells):
        first = receive(signed.body, signed.headers)
        again = side.paypal.deliver({"id": signed.id})
        assert again.headers != signed.headers, "every transmission has its own signature"

        assert receive(again.body, again.headers) is None
        assert [event.id for event in InboundEvent.objects.all()] == [first]

    def test_a_changed_byte_is_not_believed(self, signed):
        changed = signed.body.replace(b"100.00", b"900.00", 1)
        assert changed != signed.body

        refused(changed, signed.headers, inbox.SignatureInvalid)

    def test_the_same_words_written_otherwise_are_not_the_signed_bytes(self, signed):
        refused(
            json.dumps(json.loads(signed.body)).encode(), signed.headers, inbox.SignatureInvalid
        )

    def test_what_was_signed_for_another_webhook_is_not_believed(self, side, signed):
        stranger = PayPal(
            client_id=side.paypal.client_id,
            client_secret=side.paypal.client_secret,
            api_base=side.paypal.url,
            webhook_id="ANOTHERWEBHOOK001",
        )
        with providers.using("paypal", stranger):
            refused(signed.body, signed.headers, inbox.SignatureInvalid)

    @pytest.mark.parametrize("name", ["Sig", "Time", "Id"])
    def test_headers_of_another_transmission_do_not_fit(self, side, signed, name):
        other = side.paypal.deliver({"id": side.paypal.events()[0]["id"]})
        header = f"Paypal-Transmission-{name}"
        swapped = {**signed.headers, header: other.headers[header]}
        if name == "Time":
            swapped[header] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

        refused(signed.body, swapped, inbox.SignatureInvalid)

    def test_one_that_is_repeated_within_three_days_is_still_believed(self, signed, bells):
        late = datetime.now(UTC) + timedelta(days=3)

        assert receive(signed.body, signed.headers, now=late) is not None

    def test_an_older_one_is_not(self, signed):
        late = datetime.now(UTC) + timedelta(days=3, hours=2)

        refused(signed.body, signed.headers, inbox.SignatureInvalid, now=late)

    @pytest.mark.parametrize("kind", ["unavailable", "reset_before", "error_before", "rate_limit"])
    def test_one_that_cannot_be_verified_is_to_be_sent_again(self, side, signed, bells, kind):
        side.simulator.fault("paypal_verify", kind)

        refused(signed.body, signed.headers, inbox.VerificationUnavailable)
        assert inbox.VerificationUnavailable.status == 503
        assert bells == []
        assert receive(signed.body, signed.headers) is not None


HEADERS = {
    "Paypal-Auth-Algo": "SHA256withRSA",
    "Paypal-Cert-Url": "https://api.paypal.com/v1/notifications/certs/CERT-1",
    "Paypal-Transmission-Id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
    "Paypal-Transmission-Sig": "c2lnbmVk",
    "Paypal-Transmission-Time": "2026-03-01T12:00:00Z",
}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = {
    "id": "WH-1",
    "event_type": "PAYMENT.CAPTURE.COMPLETED",
    "create_time": "2026-03-01T12:00:00.000Z",
    "resource": {"id": "CAP1"},
}


class TestQuestion:
    """What PayPal is asked, and when it is not even asked."""

    @pytest.fixture
    def paypal(self) -> Iterator[Server]:
        """Says yes to everything."""

        def script(connection: Any, request: bytes) -> None:
            token = {"access_token": "a", "token_type": "Bearer", "expires_in": 100}
            body = token if b"oauth2" in request else {"verification_status": "SUCCESS"}
            connection.sendall(answer(json.dumps(body).encode()))

        with serving(script) as server:
            ours = PayPal(
                client_id="c", client_secret="s", api_base=server.url, webhook_id="WEBHOOK1"
            )
            with providers.using("paypal", ours):
                yield server

    def asked(self, server: Server) -> list[bytes]:
        return [each for each in server.requests if b"verify-webhook-signature" in each]

    def test_the_event_is_passed_on_byte_for_byte(self, paypal, bells):
        raw = b'{"id":"WH-1",  "event_type":"X.Y.Z", "create_time":"2026-03-01T12:00:00Z",'
        raw += b'"resource":{"id":"CAP1","value":1.10,"name":"\\u00e9"}}'

        receive(raw, HEADERS, now=NOW)

        (question,) = self.asked(paypal)
        assert raw in question
        told = json.loads(question.partition(b"\r\n\r\n")[2])
        assert told["webhook_id"] == "WEBHOOK1"
        assert told["transmission_sig"] == "c2lnbmVk"
        assert told["webhook_event"]["id"] == "WH-1"

    @pytest.mark.parametrize(
        "raw",
        [
            b'{}, "webhook_id": "MINE", "x": {}',
            b'{"id": "WH-1"}}, {"a": 1',
            b"not json",
            b"[]",
            b"",
            b"\xff\xfe",
            b'"text"',
        ],
    )
    def test_nothing_that_could_end_its_field_is_passed_on(self, paypal, raw):
        refused(raw, HEADERS, inbox.SignatureInvalid, now=NOW)

        assert self.asked(paypal) == []

    @pytest.mark.parametrize("name", HEADERS)
    def test_without_a_header_nobody_is_asked(self, paypal, name):
        raw = json.dumps(EVENT).encode()
        lacking = {key: value for key, value in HEADERS.items() if key != name}

        refused(raw, lacking, inbox.SignatureInvalid, now=NOW)
        refused(raw, {**HEADERS, name: "x" * 501}, inbox.SignatureInvalid, now=NOW)

        assert self.asked(paypal) == []

    @pytest.mark.parametrize("time", ["yesterday", "2026-03-01T12:00:00", "2026-02-20T12:00:00Z"])
    def test_a_time_that_is_none_or_long_ago_is_not_worth_a_question(self, paypal, time):
        headers = {**HEADERS, "Paypal-Transmission-Time": time}

        refused(json.dumps(EVENT).encode(), headers, inbox.SignatureInvalid, now=NOW)

        assert self.asked(paypal) == []

    @pytest.mark.parametrize(
        "facts",
        [
            {"id": ""},
            {"event_type": None},
            {"resource": []},
            {"create_time": "soon"},
            {"create_time": None},
        ],
    )
    def test_what_is_genuine_and_no_event_is_refused(self, paypal, facts):
        refused(json.dumps({**EVENT, **facts}).encode(), HEADERS, inbox.EventInvalid, now=NOW)

    @pytest.mark.parametrize(
        "resource",
        [
            {"id": 7},
            {"id": "CAP1", "supplementary_data": "none", "links": "none"},
            {"id": "CAP1", "links": [7, {"rel": "up"}, {"href": "x"}]},
            {"dispute_id": "PP-1", "disputed_transactions": ["x"]},
            {"dispute_id": "PP-1", "disputed_transactions": []},
            {"id": "O1", "purchase_units": ["x"]},
            {"id": "O1", "purchase_units": [], "custom_id": 7},
        ],
    )
    def test_whatever_else_is_in_it_is_kept(self, paypal, bells, resource):
        receive(json.dumps({**EVENT, "resource": resource}).encode(), HEADERS, now=NOW)

        assert InboundEvent.objects.get().payload["event_type"] == EVENT["event_type"]

    def test_cards_and_persons_are_not_kept(self, paypal, bells):
        resource = {
            "id": "CAP1",
            "payer": {"name": {"given_name": "Jenny"}},
            "payment_source": {"card": {"last_digits": "4242"}},
            "shipping": {"address": {"city": "Lombard"}},
            "note": "card 4242 4242 4242 4242",
            "phone": None,
            "amount": {"value": "1.00"},
        }

        receive(json.dumps({**EVENT, "resource": resource}).encode(), HEADERS, now=NOW)

        payload = InboundEvent.objects.get().payload
        text = json.dumps(payload)
        for gone in ("Jenny", "Lombard", "4242"):
            assert gone not in text
        assert payload["resource"]["amount"]["value"] == "1.00"
        assert payload["resource"]["phone"] is None
