"""PayPal's words and numbers in ours: errors, states, units, lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from paypalrestsdk.api import Api
from paypalrestsdk.exceptions import ConnectionError as PayPalError

from apps.gateways.providers.connections import Interrupted, NotSent
from apps.gateways.providers.paypal import errors, objects, responses, statement
from apps.gateways.providers.paypal.transport import NoToken
from apps.gateways.types import (
    Declined,
    LineKind,
    OutcomeUnknown,
    PaymentStatus,
    RefundStatus,
)
from apps.gateways.types.declines import DECLINES

# developer.paypal.com/docs/api/payments/v2, `processor_response`
PAYPAL_RESPONSE_CODES = """
0000 00N7 0100 0390 0500 0580 0800 0880 0890 0960 0R00 1000 10BR 1300 1310 1312 1317 1320 1330 1335
1340 1350 1352 1360 1370 1380 1382 1384 1390 1393 5100 5110 5120 5130 5135 5140 5150 5160 5170 5180
5190 5200 5210 5400 5500 5650 5700 5710 5800 5900 5910 5920 5930 5950 6300 7600 7700 7710 7800 7900
8000 8010 8020 8030 8100 8110 8220 9100 9500 9510 9520 9530 9540 9600 PCNR PCVV PP06 PPRN PPAD PPAB
PPAE PPAG PPAI PPAR PPAU PPAV PPAX PPBG PPC2 PPCE PPCO PPCR PPCT PPCU PPD3 PPDC PPDI PPDV PPDT PPEF
PPEL PPER PPEX PPFE PPFI PPFR PPFV PPGR PPH1 PPIF PPII PPIM PPIT PPLR PPLS PPMB PPMC PPMD PPNC PPNL
PPNM PPNT PPPH PPPI PPPM PPQC PPRE PPRF PPRR PPS0 PPS1 PPS2 PPS3 PPS4 PPS5 PPS6 PPSC PPSD PPSE PPTE
PPTF PPTI PPTR PPTT PPTV PPUA PPUC PPUE PPUI PPUP PPUR PPVC PPVE PPVT
"""

PAYPAL_API = Api(client_id="c", client_secret="s")


def refusal(status: int, body: Any) -> PayPalError:
    """What the package makes of an answer."""
    content = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(PayPalError) as caught:
        PAYPAL_API.handle_response(SimpleNamespace(status_code=status, reason=""), content)
    return caught.value


def said(status: int, body: Any) -> Declined | OutcomeUnknown:
    return errors.translated(refusal(status, body))


def error(name: str, issue: str = "") -> dict[str, Any]:
    details = [{"issue": issue, "description": "…"}] if issue else []
    return {"name": name, "message": "…", "debug_id": "90957fca61718", "details": details}


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "issue", "code"),
        [
            (422, "INSTRUMENT_DECLINED", "card_declined"),
            (422, "PAYER_CANNOT_PAY", "not_permitted"),
            (422, "PAYER_ACTION_REQUIRED", "authentication_required"),
            (422, "TRANSACTION_REFUSED", "blocked_by_provider"),
            (422, "TOKEN_ID_NOT_FOUND", "token_invalid"),
            (404, "TOKEN_ID_NOT_FOUND", "token_invalid"),
            (422, "MAX_CAPTURE_AMOUNT_EXCEEDED", "amount_not_supported"),
            (422, "DECIMALS_NOT_SUPPORTED", "amount_not_supported"),
            (422, "INVALID_CURRENCY_CODE", "currency_not_supported"),
            (422, "DUPLICATE_INVOICE_ID", "duplicate"),
            (422, "CAPTURE_FULLY_REFUNDED", "already_refunded"),
            (422, "TRANSACTION_DISPUTED", "disputed"),
            (422, "REFUND_FAILED_INSUFFICIENT_FUNDS", "balance_insufficient"),
            (422, "ORDER_EXPIRED", "authorization_expired"),
            (422, "NEW_IN_2027", "provider_rejected"),
            (400, "INVALID_PARAMETER_VALUE", "provider_rejected"),
        ],
    )
    def test_what_paypal_refuses_is_declined(self, status, issue, code):
        outcome = said(status, error("UNPROCESSABLE_ENTITY", issue))

        assert isinstance(outcome, Declined)
        assert (outcome.code, outcome.provider_code) == (code, issue)

    @pytest.mark.parametrize(
        ("status", "body", "reason", "unsent", "answered", "alert"),
        [
            (401, error("AUTHENTICATION_FAILURE"), "not_authenticated", True, False, True),
            (403, error("NOT_AUTHORIZED", "PERMISSION_DENIED"), "not_authenticated", True, False,
             True),
            (429, error("RATE_LIMIT_REACHED"), "rate_limited", True, False, False),
            (429, "<html>slow down</html>", "rate_limited", True, False, False),
            (409, error("RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS"), "in_progress",
             False, False, False),
            (422, error("UNPROCESSABLE_ENTITY", "PREVIOUS_REQUEST_IN_PROGRESS"), "in_progress",
             False, False, False),
            (422, error("UNPROCESSABLE_ENTITY", "DUPLICATE_REQUEST_ID"), "key_reused",
             False, False, True),
            (422, error("UNPROCESSABLE_ENTITY", "AUTHORIZATION_ALREADY_CAPTURED"),
             "unexpected_state", False, True, False),
            (422, error("UNPROCESSABLE_ENTITY", "ORDER_NOT_APPROVED"), "unexpected_state",
             False, True, False),
            (404, error("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"), "object_missing",
             False, True, True),
            (500, error("INTERNAL_SERVER_ERROR"), "provider_error", False, False, False),
            (503, error("SERVICE_UNAVAILABLE"), "provider_error", False, False, False),
            (502, "<html>gateway</html>", "provider_unavailable", False, False, False),
            (400, "<html>not PayPal</html>", "malformed_answer", False, False, False),
            (403, '{"message": "denied"}', "malformed_answer", False, False, False),
            (404, "[]", "malformed_answer", False, False, False),
            (307, "", "malformed_answer", False, False, False),
            (418, error("TEAPOT"), "malformed_answer", False, False, False),
        ],
    )  # fmt: skip
    def test_everything_else_is_unknown(self, status, body, reason, unsent, answered, alert):
        outcome = said(status, body)

        assert isinstance(outcome, OutcomeUnknown)
        assert outcome.reason == reason
        assert (outcome.unsent, outcome.answered, outcome.alert) == (unsent, answered, alert)
        assert not outcome.key_is_spent, "PayPal saves no error under a key"

    @pytest.mark.parametrize(
        ("cause", "reason", "alert"),
        [
            (refusal(401, {"error": "invalid_client"}), "not_authenticated", True),
            (refusal(400, {"error": "unsupported_grant_type"}), "not_authenticated", True),
            (refusal(503, "<html></html>"), "not_sent", False),
            (refusal(429, ""), "not_sent", False),
            (NotSent("refused"), "not_sent", False),
            (Interrupted("gone", timed_out=True), "not_sent", False),
            (ValueError("not JSON"), "not_sent", False),
        ],
    )
    def test_without_a_token_nothing_was_sent_whatever_became_of_the_token(
        self, cause, reason, alert
    ):
        outcome = errors.translated(NoToken(cause))

        assert isinstance(outcome, OutcomeUnknown)
        assert (outcome.reason, outcome.unsent, outcome.alert) == (reason, True, alert)

    def test_every_code_we_translate_to_exists(self):
        assert set(errors._CODES.values()) <= set(DECLINES)

    def test_a_state_is_no_decline(self):
        assert not set(errors._CODES) & errors.STATE_ISSUES


class TestResponseCodes:
    def test_every_published_one_has_a_row_of_ours(self):
        assert set(responses.CODES) == set(PAYPAL_RESPONSE_CODES.split()) - {responses.APPROVED}
        assert set(responses.CODES.values()) <= set(DECLINES)

    @pytest.mark.parametrize(
        ("response", "code"),
        [
            ({"response_code": "5120"}, "insufficient_funds"),
            ({"response_code": "5400", "avs_code": "A"}, "expired_card"),
            ({"response_code": "9520"}, "stolen_card"),
            ({"response_code": "9100"}, "processing_error"),
            ({"response_code": "NEW_IN_2027"}, "card_declined"),
            ({"avs_code": "A"}, "card_declined"),
            (None, "card_declined"),
        ],
    )
    def test_say_why_an_authorization_was_denied(self, response, code):
        denied = authorized("DENIED", processor_response=response)
        found = objects.payment(order("COMPLETED", authorizations=[denied]))

        assert (found.status, found.decline_code) == (PaymentStatus.FAILED, code)
        assert found.provider_code == ((response or {}).get("response_code") or "")

    def test_an_order_that_came_to_nothing_was_not_authenticated(self):
        assert objects.payment(order("VOIDED")).decline_code == "authentication_failed"


TEN = {"currency_code": "USD", "value": "10.00"}
LAPSES = "2026-03-30T12:00:00Z"


def order(status: str, **payments: Any) -> dict[str, Any]:
    unit: dict[str, Any] = {"amount": TEN, "custom_id": "pay_1"}
    if payments:
        unit["payments"] = payments
    return {"id": "5O1", "status": status, "purchase_units": [unit]}


def part(status: str, **facts: Any) -> dict[str, Any]:
    return {"id": f"{status[:3]}1", "status": status, "amount": TEN, **facts}


def authorized(status: str, **facts: Any) -> dict[str, Any]:
    return part(status, expiration_time=LAPSES, **facts)


class TestStates:
    @pytest.mark.parametrize(
        ("found", "status"),
        [
            (order("CREATED"), PaymentStatus.CREATED),
            (order("SAVED"), PaymentStatus.CREATED),
            (order("PAYER_ACTION_REQUIRED"), PaymentStatus.REQUIRES_ACTION),
            (order("APPROVED"), PaymentStatus.CREATED),
            (order("VOIDED"), PaymentStatus.FAILED),
            (order("COMPLETED", authorizations=[authorized("CREATED")]), PaymentStatus.AUTHORIZED),
            (order("COMPLETED", authorizations=[authorized("PENDING")]), PaymentStatus.PROCESSING),
            (order("COMPLETED", authorizations=[authorized("DENIED")]), PaymentStatus.FAILED),
            (order("COMPLETED", authorizations=[authorized("VOIDED")]), PaymentStatus.VOIDED),
            (order("COMPLETED", authorizations=[authorized("CAPTURED")]),
             PaymentStatus.PROCESSING),
            (order("COMPLETED", authorizations=[authorized("CAPTURED")],
                   captures=[part("COMPLETED")]), PaymentStatus.CAPTURED),
            (order("COMPLETED", authorizations=[authorized("CAPTURED")],
                   captures=[part("REFUNDED")]), PaymentStatus.CAPTURED),
            (order("COMPLETED", authorizations=[authorized("CAPTURED")],
                   captures=[part("PENDING")]), PaymentStatus.PROCESSING),
            (order("COMPLETED", authorizations=[authorized("CREATED")],
                   captures=[part("DECLINED")]), PaymentStatus.AUTHORIZED),
        ],
    )  # fmt: skip
    def test_every_state_of_an_order_has_one_of_ours(self, found, status):
        assert objects.payment(found).status is status

    @pytest.mark.parametrize(
        "found", [order("NEW_IN_2027"), order("COMPLETED", authorizations=[authorized("NEW")])]
    )
    def test_a_state_that_we_do_not_know_is_not_guessed(self, found):
        with pytest.raises(KeyError):
            objects.payment(found)

    @pytest.mark.parametrize(
        ("ended", "reason"),
        [
            ("2026-03-05T12:00:00Z", "voided"),
            ("2026-03-30T12:00:00Z", "expired"),
            ("2026-03-30T14:00:00+02:00", "expired"),
            (None, "voided"),
        ],
    )
    def test_a_lapsed_authorization_is_told_from_a_voided_one(self, ended, reason):
        held = authorized("VOIDED", update_time=ended)

        assert objects.payment(order("COMPLETED", authorizations=[held])).void_reason == reason

    def test_a_payment_is_known_by_the_names_of_its_parts(self):
        found = objects.payment(
            order(
                "COMPLETED", authorizations=[authorized("CAPTURED")], captures=[part("COMPLETED")]
            )
        )

        assert found.provider_reference == "5O1"
        assert found.capture_reference == "COM1"
        assert found.also_known_as == ("CAP1", "COM1")

    def test_what_failed_to_go_back_is_not_counted_as_refunded(self):
        gone, failed = part("COMPLETED"), {**part("FAILED"), "id": "F1"}
        captured = order("COMPLETED", captures=[part("PARTIALLY_REFUNDED")], refunds=[gone, failed])

        assert objects.payment(captured).amount_refunded_minor == 1_000

    @pytest.mark.parametrize(
        ("status", "ours"),
        [("PENDING", RefundStatus.PENDING), ("COMPLETED", RefundStatus.SUCCEEDED),
         ("FAILED", RefundStatus.FAILED), ("CANCELLED", RefundStatus.FAILED)],
    )  # fmt: skip
    def test_every_state_of_a_refund_has_one_of_ours(self, status, ours):
        assert objects.refund(part(status)).status is ours

    @pytest.mark.parametrize(
        "op_key", ["0190-ab:SEND.refund:1", "0190-ab:CAPTURE~GIVE_BACK.refund:12"]
    )
    def test_our_name_on_a_refund_has_only_letters_that_paypal_shows(self, op_key):
        custom = objects.custom_id("re_0123456789ABCDEFGHJKMNPQRS", op_key)

        assert set(custom) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,"
        )
        assert objects.op_key_of(custom) == op_key
        assert objects.op_key_of("somebody else's") == ""


class TestLines:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("T0006", LineKind.CHARGE),
            ("T0003", LineKind.CHARGE),
            ("T1107", LineKind.REFUND),
            ("T1115", LineKind.REFUND_FAILURE),
            ("T1110", LineKind.DISPUTE),
            ("T1201", LineKind.DISPUTE),
            ("T1106", LineKind.DISPUTE),
            ("T1111", LineKind.DISPUTE_REVERSAL),
            ("T1202", LineKind.DISPUTE_REVERSAL),
            ("T0400", LineKind.PAYOUT),
            ("T0403", LineKind.PAYOUT),
            ("T1101", LineKind.PAYOUT_FAILURE),
            ("T0107", LineKind.FEE),
            ("T9999", LineKind.OTHER),
        ],
    )
    def test_every_line_has_a_kind_and_an_unknown_one_is_kept(self, code, kind):
        line = statement.line(self._line(transaction_event_code=code))

        assert (line.kind, line.provider_kind) == (kind, code)
        assert (line.gross_minor, line.fee_minor, line.net_minor) == (1_000, 84, 916)
        assert line.occurred_at == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def test_what_moved_nothing_is_no_line(self):
        found = {
            "transaction_details": [
                {"transaction_info": self._line(transaction_status=status)} for status in "SVPD"
            ],
            "total_pages": 1,
        }

        assert len(statement.page(found).lines) == 2

    def _line(self, **facts: Any) -> dict[str, Any]:
        return {
            "transaction_id": "8RX1",
            "transaction_event_code": "T0006",
            "transaction_initiation_date": "2026-03-01T12:00:00+0000",
            "transaction_amount": TEN,
            "fee_amount": {"currency_code": "USD", "value": "-0.84"},
            "transaction_status": "S",
            **facts,
        }
