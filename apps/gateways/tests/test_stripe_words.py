"""Stripe's words and numbers in ours: errors, decline codes, units."""

import json
from typing import Any

import pytest
import stripe
from stripe._api_requestor import _APIRequestor

from apps.core import money
from apps.gateways.providers.stripe import errors, objects, units
from apps.gateways.types import Declined, LineKind, OutcomeUnknown, PaymentStatus
from apps.gateways.types.declines import DECLINES

# docs.stripe.com/currencies#zero-decimal
# Without UGX, which counts as one and is written with two: see the table.
_ZERO_DECIMAL = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
STRIPE_ZERO_DECIMAL = frozenset(_ZERO_DECIMAL.split())
STRIPE_THREE_DECIMAL = {"BHD", "JOD", "KWD", "OMR", "TND"}

# docs.stripe.com/declines/codes
STRIPE_DECLINE_CODES = """
authentication_not_handled authentication_required approve_with_id call_issuer card_not_supported
card_velocity_exceeded currency_not_supported do_not_honor do_not_try_again duplicate_transaction
expired_card mobile_device_authentication_required
fraudulent generic_decline incorrect_address incorrect_cvc incorrect_number incorrect_pin
incorrect_zip insufficient_funds invalid_account invalid_amount invalid_cvc invalid_expiry_month
invalid_expiry_year invalid_number invalid_pin issuer_not_available lost_card merchant_blacklist
new_account_information_available no_action_taken not_permitted offline_pin_required
online_or_offline_pin_required pickup_card pin_try_exceeded processing_error reenter_transaction
restricted_card revocation_of_all_authorizations revocation_of_authorization security_violation
service_not_allowed stolen_card stop_payment_order testmode_decline transaction_not_allowed
try_again_later withdrawal_count_limit_exceeded
"""

# docs.stripe.com/api/payouts/failures: what banks say, also of debits
STRIPE_BANK_CODES = """
account_closed account_frozen bank_account_restricted bank_ownership_changed could_not_process
debit_not_authorized declined incorrect_account_holder_address incorrect_account_holder_name
incorrect_account_holder_tax_id incorrect_account_type insufficient_funds invalid_account_number
invalid_account_number_length invalid_currency no_account unsupported_card
"""


def said(status: int, error: Any, **headers: str) -> Declined | OutcomeUnknown:
    """What Stripe's answer means, through the SDK's own reading of it."""
    body = json.dumps({"error": error})
    with pytest.raises(stripe.StripeError) as caught:
        _APIRequestor()._interpret_response(body, status, headers, "V1")
    return errors.translated(caught.value)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "error", "code"),
        [
            (402, {"type": "card_error", "code": "expired_card"}, "expired_card"),
            (
                402,
                {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"},
                "lost_card",
            ),
            (402, {"type": "card_error", "code": "new_in_2027"}, "card_declined"),
            (400, {"type": "invalid_request_error"}, "provider_rejected"),
            (400, {"type": "invalid_request_error", "param": "amount"}, "provider_rejected"),
            (400, {"type": "invalid_request_error", "code": "amount_too_small"},
             "amount_not_supported"),
            (400, {"type": "invalid_request_error", "code": "charge_already_refunded"},
             "already_refunded"),
            (400, {"type": "invalid_request_error", "code": "charge_disputed"}, "disputed"),
            (
                400,
                {"type": "invalid_request_error", "code": "resource_missing",
                 "param": "payment_method"},
                "token_invalid",
            ),
        ],
    )  # fmt: skip
    def test_what_stripe_refuses_is_declined(self, status, error, code):
        outcome = said(status, error)

        assert isinstance(outcome, Declined)
        assert outcome.code == code

    @pytest.mark.parametrize(
        ("status", "error", "reason", "unsent", "answered", "alert"),
        [
            (401, {"type": "invalid_request_error"}, "not_authenticated", True, False, True),
            (403, {"type": "invalid_request_error"}, "not_authenticated", True, False, True),
            (429, {"type": "invalid_request_error", "code": "rate_limit"}, "rate_limited",
             True, False, False),
            (400, {"code": "rate_limit"}, "rate_limited", True, False, False),
            (429, {"code": "lock_timeout"}, "rate_limited", True, False, False),
            (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, "in_progress",
             False, False, False),
            (400, {"type": "idempotency_error"}, "key_reused", False, False, True),
            (500, {"type": "api_error"}, "provider_error", False, True, False),
            (503, {"type": "api_error"}, "provider_error", False, True, False),
            (502, {}, "provider_unavailable", False, False, False),
            (404, {"type": "invalid_request_error", "code": "resource_missing",
                   "param": "intent"}, "object_missing", False, True, True),
            (400, {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"},
             "unexpected_state", False, True, False),
            (418, {"type": "teapot"}, "malformed_answer", False, False, False),
        ],
    )  # fmt: skip
    def test_everything_else_is_unknown(self, status, error, reason, unsent, answered, alert):
        outcome = said(status, error)

        assert isinstance(outcome, OutcomeUnknown)
        assert outcome.reason == reason
        assert (outcome.unsent, outcome.answered, outcome.alert) == (unsent, answered, alert)

    def test_a_repeated_error_says_that_its_key_is_spent(self):
        first = said(500, {"type": "api_error"})
        repeated = said(500, {"type": "api_error"}, **{"Idempotent-Replayed": "true"})

        assert isinstance(first, OutcomeUnknown)
        assert isinstance(repeated, OutcomeUnknown)
        assert (first.key_is_spent, repeated.key_is_spent) == (False, True)


class TestDeclineCodes:
    def test_every_documented_code_has_a_row_of_ours(self):
        for word in (STRIPE_DECLINE_CODES + STRIPE_BANK_CODES).split():
            code = errors.unified_code({"type": "card_error", "decline_code": word})

            assert code in DECLINES
            assert word in errors._CODES or word == code, f"{word} fell through to {code}"

    def test_every_code_we_translate_to_exists(self):
        assert set(errors._CODES.values()) <= set(DECLINES)

    def test_an_issuers_word_goes_before_stripes(self):
        both = {"code": "card_declined", "decline_code": "insufficient_funds"}

        assert errors.unified_code(both) == "insufficient_funds"

    def test_nothing_that_came_from_thieves_is_told_to_the_customer(self):
        words = {DECLINES[code].message for code in ("lost_card", "stolen_card", "fraudulent")}

        assert words == {"The card was declined."}


class TestUnits:
    def test_the_table_is_all_there_is_between_stripe_and_iso_4217(self):
        for currency in STRIPE_ZERO_DECIMAL | STRIPE_THREE_DECIMAL | {"ISK", "UGX", "USD", "HUF"}:
            stripes = 0 if currency in STRIPE_ZERO_DECIMAL else 2
            if currency in STRIPE_THREE_DECIMAL:
                stripes = 3
            factor = 10 ** (stripes - money.exponent(currency)) if stripes else 1

            if money.exponent(currency) > stripes:
                assert units.to_stripe(12_300, currency) == 123, currency
            else:
                assert units.to_stripe(12_300, currency) == 12_300 * factor, currency

    @pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "ISK", "UGX", "MGA", "HUF"])
    def test_there_and_back_is_the_same_amount(self, currency):
        for amount in (100, 1_000, 123_400, 10**12):
            assert units.from_stripe(units.to_stripe(amount, currency), currency) == amount

    @pytest.mark.parametrize(("amount", "currency"), [(5_124, "KWD"), (1, "TND"), (150, "MGA")])
    def test_what_stripe_cannot_express_is_refused(self, amount, currency):
        with pytest.raises(Declined) as caught:
            units.to_stripe(amount, currency)

        assert caught.value.code == "amount_not_supported"

    @pytest.mark.parametrize("currency", ["ISK", "UGX"])
    def test_fractions_that_should_not_exist_are_not_rounded_away(self, currency):
        with pytest.raises(ValueError, match="multiple of 100"):
            units.from_stripe(50_050, currency)


def intent(status: str, **facts: Any) -> dict[str, Any]:
    return {"id": "pi_1", "status": status, "amount": 500, "currency": "usd", **facts}


class TestObjects:
    @pytest.mark.parametrize(
        ("found", "status"),
        [
            (intent("requires_payment_method"), PaymentStatus.CREATED),
            (intent("requires_confirmation"), PaymentStatus.CREATED),
            (intent("requires_action"), PaymentStatus.REQUIRES_ACTION),
            (intent("processing"), PaymentStatus.PROCESSING),
            (intent("requires_capture"), PaymentStatus.AUTHORIZED),
            (intent("succeeded", amount_received=500), PaymentStatus.CAPTURED),
            (intent("canceled"), PaymentStatus.VOIDED),
            (
                intent("requires_payment_method", last_payment_error={"code": "expired_card"}),
                PaymentStatus.FAILED,
            ),
        ],
    )
    def test_every_state_of_an_intent_has_one_of_ours(self, found, status):
        assert objects.payment(found).status is status

    def test_a_state_that_we_do_not_know_is_not_guessed(self):
        with pytest.raises(KeyError):
            objects.payment(intent("requires_reauthentication"))

    @pytest.mark.parametrize(
        ("reason", "ours"),
        [("automatic", "expired"), ("expired", "expired"), ("abandoned", "abandoned"), (None, "")],
    )
    def test_a_lapsed_authorization_is_told_from_a_voided_one(self, reason, ours):
        assert objects.payment(intent("canceled", cancellation_reason=reason)).void_reason == ours

    @pytest.mark.parametrize(
        ("facts", "kind"),
        [
            ({"type": "charge"}, LineKind.CHARGE),
            ({"type": "payment_refund"}, LineKind.REFUND),
            ({"type": "refund_failure"}, LineKind.REFUND_FAILURE),
            ({"type": "adjustment", "reporting_category": "dispute"}, LineKind.DISPUTE),
            (
                {"type": "adjustment", "reporting_category": "dispute_reversal"},
                LineKind.DISPUTE_REVERSAL,
            ),
            ({"type": "adjustment", "reporting_category": "other_adjustment"}, LineKind.OTHER),
            ({"type": "payout_failure"}, LineKind.PAYOUT_FAILURE),
            ({"type": "stripe_fee"}, LineKind.FEE),
            ({"type": "new_in_2027"}, LineKind.OTHER),
        ],
    )
    def test_every_line_has_a_kind_and_an_unknown_one_is_kept(self, facts, kind):
        line = objects.line(
            {
                "id": "txn_1",
                "amount": -500,
                "fee": 30,
                "net": -530,
                "currency": "usd",
                "created": 1_772_366_400,
                "available_on": 1_772_539_200,
                "source": "xx_1",
                **facts,
            }
        )

        assert (line.kind, line.gross_minor, line.net_minor) == (kind, -500, -530)
        assert (line.source_reference, line.payment_reference) == ("xx_1", "")
