"""Stripe's errors in our two words: `Declined`, or `OutcomeUnknown`.

Definitive is only what Stripe itself says about the request: a card error, or a 400 or 404 with
Stripe's own error body. Everything else leaves open whether the operation took effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import stripe

from apps.gateways.providers.stripe.transport import Interrupted, NotSent
from apps.gateways.types import NEVER_SENT, OBJECT_MISSING, Declined, OutcomeUnknown
from apps.gateways.types.declines import DECLINES

# Stripe's decline codes and error codes (docs.stripe.com/declines/codes, /error-codes) by ours.
# A code with the same name in both is not listed.
_CODES: Final = {
    "generic_decline": "card_declined",
    "call_issuer": "card_declined",
    "do_not_try_again": "card_declined",
    "no_action_taken": "card_declined",
    "revocation_of_all_authorizations": "card_declined",
    "revocation_of_authorization": "card_declined",
    "stop_payment_order": "card_declined",
    "security_violation": "card_declined",
    "service_not_allowed": "not_permitted",
    "transaction_not_allowed": "not_permitted",
    "restricted_card": "not_permitted",
    "merchant_blacklist": "blocked_by_provider",
    "highest_risk_level": "blocked_by_provider",
    "withdrawal_count_limit_exceeded": "limit_exceeded",
    "card_velocity_exceeded": "limit_exceeded",
    "new_account_information_available": "invalid_account",
    "invalid_cvc": "incorrect_cvc",
    "invalid_number": "incorrect_number",
    "invalid_expiry_month": "invalid_expiry",
    "invalid_expiry_year": "invalid_expiry",
    "incorrect_zip": "incorrect_address",
    "invalid_pin": "incorrect_pin",
    "pin_try_exceeded": "incorrect_pin",
    "mobile_device_authentication_required": "authentication_required",
    "offline_pin_required": "authentication_required",
    "online_or_offline_pin_required": "authentication_required",
    "approve_with_id": "issuer_unavailable",
    "issuer_not_available": "issuer_unavailable",
    "reenter_transaction": "issuer_unavailable",
    "try_again_later": "issuer_unavailable",
    "duplicate_transaction": "duplicate",
    "testmode_decline": "test_card",
    "authentication_not_handled": "authentication_required",
    "invalid_amount": "not_permitted",  # "check with the issuer"
    "testmode_charges_only": "account_restricted",
    "payment_intent_authentication_failure": "authentication_failed",
    "payment_intent_payment_attempt_expired": "authentication_failed",
    "payment_intent_mandate_invalid": "provider_rejected",
    "charge_expired_for_capture": "authorization_expired",
    "charge_already_captured": "already_captured",
    "charge_already_refunded": "already_refunded",
    "charge_disputed": "disputed",
    "charge_exceeds_source_limit": "limit_exceeded",
    "insufficient_balance": "balance_insufficient",
    "amount_too_large": "amount_not_supported",
    "amount_too_small": "amount_not_supported",
    "invalid_charge_amount": "amount_not_supported",
    "invalid_charge_amount_no_decimal_compatible": "amount_not_supported",
    "payment_method_unactivated": "operation_not_supported",
    "payment_method_invalid_parameter": "token_invalid",
    "payment_method_unexpected_state": "token_invalid",
    "payment_method_customer_decline": "card_declined",
    "payment_method_provider_decline": "card_declined",
    "payment_method_provider_timeout": "processing_error",
    "payment_method_not_available": "processing_error",
    "payment_method_unsupported_type": "token_invalid",
    "token_already_used": "token_invalid",
    "token_in_use": "token_invalid",
    "invalid_card_type": "card_not_supported",
    "account_number_invalid": "bank_account_invalid",
    "routing_number_invalid": "bank_account_invalid",
    "bank_account_declined": "bank_account_invalid",
    "bank_account_exists": "bank_account_invalid",
    "bank_account_restricted": "bank_account_invalid",
    "bank_account_unusable": "bank_account_invalid",
    "bank_account_unverified": "bank_account_invalid",
    "account_closed": "bank_account_invalid",
    "debit_not_authorized": "not_permitted",
    "no_account": "bank_account_invalid",
    "account_frozen": "bank_account_invalid",
    "bank_ownership_changed": "bank_account_invalid",
    "incorrect_account_holder_address": "bank_account_invalid",
    "incorrect_account_holder_name": "bank_account_invalid",
    "incorrect_account_holder_tax_id": "bank_account_invalid",
    "incorrect_account_type": "bank_account_invalid",
    "invalid_account_number": "bank_account_invalid",
    "invalid_account_number_length": "bank_account_invalid",
    "could_not_process": "processing_error",
    "declined": "card_declined",
    "invalid_currency": "currency_not_supported",
    "unsupported_card": "card_not_supported",
    "payouts_not_allowed": "provider_rejected",
    "payouts_limit_exceeded": "limit_exceeded",
    "instant_payouts_unsupported": "provider_rejected",
}
# "Not in this state": what state it is in says whether an earlier attempt of ours did it.
STATE_CODES: Final = frozenset(
    {
        "payment_intent_unexpected_state",
        "charge_already_captured",
        "charge_expired_for_capture",
    }
)
_DEFINITIVE_TYPES: Final = ("card_error", "invalid_request_error")
_METHOD_PARAMS: Final = ("payment_method", "payment_method_data", "card", "source", "token")
_BANK_PARAMS: Final = ("destination", "external_account")


def unified_code(error: Mapping[str, Any]) -> str:
    """Our code of an error object; the issuer's word (`decline_code`) before Stripe's (`code`)."""
    for word in (error.get("decline_code"), error.get("code")):
        if word:
            code = _CODES.get(word, word)
            if code in DECLINES:
                return code
    return "card_declined" if error.get("type") == "card_error" else "provider_rejected"


def translated(error: stripe.StripeError) -> Declined | OutcomeUnknown:
    """What an exception of the SDK means for the operation that was sent."""
    if isinstance(error, NotSent):
        return OutcomeUnknown(NEVER_SENT, str(error), unsent=True)
    if isinstance(error, Interrupted):
        return OutcomeUnknown("timeout" if error.timed_out else "connection_lost", str(error))
    status, body = error.http_status or 0, _body(error)
    if isinstance(error, stripe.RateLimitError):
        return OutcomeUnknown("rate_limited", _says(error), unsent=True)
    if status in (401, 403) and body:
        # Refused before it was looked at: our key is wrong, and only a person can mend that.
        return OutcomeUnknown("not_authenticated", _says(error), unsent=True, alert=True)
    if body.get("type") == "idempotency_error" and status != 409:
        # The key was used with another request before: a bug of ours, no reason to send again.
        return OutcomeUnknown("key_reused", _says(error), alert=True)
    if status == 409:
        return OutcomeUnknown("in_progress", _says(error))
    if status in (400, 402, 404) and body.get("type") in _DEFINITIVE_TYPES:
        return _refused(error, body)
    if status >= 500 and body.get("type"):
        # Stripe's own error: the request is over, its answer saved under the key, its effect open.
        repeated = (error.headers or {}).get("Idempotent-Replayed") == "true"
        return OutcomeUnknown("provider_error", _says(error), answered=True, key_is_spent=repeated)
    if status >= 500:
        return OutcomeUnknown("provider_unavailable", f"HTTP {status}")
    return OutcomeUnknown("malformed_answer", f"HTTP {status}", answered=200 <= status < 300)


def _refused(error: stripe.StripeError, body: Mapping[str, Any]) -> Declined | OutcomeUnknown:
    code, param = body.get("code") or "", body.get("param") or ""
    if code in STATE_CODES:
        return OutcomeUnknown("unexpected_state", _says(error), answered=True)
    if code == "resource_missing":
        if param.split("[")[0] in _METHOD_PARAMS:
            return Declined("token_invalid", provider_code=code)
        if param.split("[")[0] in _BANK_PARAMS:
            return Declined("bank_account_invalid", provider_code=code)
        # An object that we know is not there: another account's key, not an answer to believe.
        return OutcomeUnknown(OBJECT_MISSING, _says(error), answered=True, alert=True)
    return _declined(body)


def _declined(body: Mapping[str, Any]) -> Declined:
    return Declined(
        unified_code(body), provider_code=body.get("decline_code") or body.get("code") or ""
    )


def _body(error: stripe.StripeError) -> Mapping[str, Any]:
    """The `error` object of Stripe's own error body; empty if somebody else answered."""
    whole = error.json_body
    found = whole.get("error") if isinstance(whole, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _says(error: stripe.StripeError) -> str:
    return str(error.user_message or "")[:200]


def intent_of(error: stripe.StripeError) -> Mapping[str, Any] | None:
    """The PaymentIntent that Stripe sends along with an error about one."""
    found = _body(error).get("payment_intent")
    return found if isinstance(found, Mapping) else None


def is_state_conflict(error: stripe.StripeError) -> bool:
    """Whether Stripe refused because of the object's state, which may be our own doing."""
    return _body(error).get("code") in STATE_CODES
