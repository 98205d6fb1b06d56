"""PayPal's errors in our two words: `Declined`, or `OutcomeUnknown`.

Definitive is only what PayPal itself says about the request: a 400 or 422 with PayPal's own error
body. It saves no error under a key: the same request again is a new attempt until one succeeds, and
from then on it is told how that one stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from paypalrestsdk.exceptions import ConnectionError as PayPalError

from apps.gateways.providers.connections import Interrupted, NotSent
from apps.gateways.providers.paypal.transport import NoToken
from apps.gateways.types import NEVER_SENT, OBJECT_MISSING, Declined, OutcomeUnknown

# The issues of PayPal's error details (developer.paypal.com/api/rest/reference/orders/v2/errors,
# …/payments/v2/errors) by our codes.
_CODES: Final = {
    "INSTRUMENT_DECLINED": "card_declined",
    "ALIAS_DECLINED_BY_PROCESSOR": "card_declined",
    "PAYER_CANNOT_PAY": "not_permitted",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": "card_declined",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": "card_declined",
    "DECLINED_DUE_TO_RELATED_TXN": "card_declined",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "card_declined",
    "PAYER_ACTION_REQUIRED": "authentication_required",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "invalid_account",
    "PAYER_ACCOUNT_RESTRICTED": "invalid_account",
    "TRANSACTION_LIMIT_EXCEEDED": "limit_exceeded",
    "PAYEE_ACCOUNT_INVALID": "account_restricted",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "account_restricted",
    "PAYEE_ACCOUNT_RESTRICTED": "account_restricted",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "amount_not_supported",
    "AUTH_CAPTURE_NOT_ENABLED": "operation_not_supported",
    "NOT_ENABLED_FOR_CARD_PROCESSING": "operation_not_supported",
    "PAYEE_NOT_ENABLED_FOR_CARD_PROCESSING": "operation_not_supported",
    "PAYEE_COUNTRY_NOT_SUPPORTED_FOR_PAYMENT_SOURCE": "operation_not_supported",
    "TRANSACTION_REFUSED": "blocked_by_provider",
    "COMPLIANCE_VIOLATION": "blocked_by_provider",
    "TRANSACTION_BLOCKED_BY_PAYEE": "blocked_by_provider",
    "PAYEE_BLOCKED_TRANSACTION": "blocked_by_provider",
    "CARD_EXPIRED": "expired_card",
    "REFERENCED_CARD_EXPIRED": "expired_card",
    "INVALID_EXPIRY_DATE": "invalid_expiry",
    "INVALID_SECURITY_CODE_LENGTH": "incorrect_cvc",
    "BILLING_ADDRESS_INVALID": "incorrect_address",
    "SHIPPING_ADDRESS_INVALID": "incorrect_address",
    "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED": "incorrect_address",
    "CARD_TYPE_NOT_SUPPORTED": "card_not_supported",
    "CARD_BRAND_NOT_SUPPORTED": "card_not_supported",
    "COUNTRY_NOT_SUPPORTED_BY_PAYMENT_SOURCE": "card_not_supported",
    "DOMESTIC_TRANSACTION_REQUIRED": "card_not_supported",
    "PAYMENT_SOURCE_NOT_SUPPORTED": "card_not_supported",
    "PAYMENT_TYPE_NOT_SUPPORTED_FOR_INTENT": "card_not_supported",
    "UNSUPPORTED_INTENT_FOR_PAYMENT_SOURCE": "card_not_supported",
    "TOKEN_ID_NOT_FOUND": "token_invalid",
    "TOKEN_EXPIRED": "token_invalid",
    "AGREEMENT_ALREADY_CANCELLED": "token_invalid",
    "BILLING_AGREEMENT_NOT_FOUND": "token_invalid",
    "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE": "token_invalid",
    "PAYMENT_SOURCE_CANNOT_BE_USED": "token_invalid",
    "PAYMENT_SOURCE_MISMATCH": "token_invalid",
    "INVALID_GOOGLE_PAY_TOKEN": "token_invalid",
    "INVALID_PREVIOUS_TRANSACTION_REFERENCE": "token_invalid",
    "PREVIOUS_TRANSACTION_REFERENCE_HAS_CHARGEBACK": "token_invalid",
    "PREVIOUS_TRANSACTION_REFERENCE_VOIDED": "token_invalid",
    "PAYPAL_TRANSACTION_ID_EXPIRED": "token_invalid",
    "PAYPAL_TRANSACTION_ID_NOT_FOUND": "token_invalid",
    "PNREF_EXPIRED": "token_invalid",
    "PNREF_NOT_FOUND": "token_invalid",
    "IBAN_COUNTRY_NOT_SUPPORTED": "bank_account_invalid",
    "INVALID_IBAN": "bank_account_invalid",
    "INVALID_CURRENCY_CODE": "currency_not_supported",
    "CURRENCY_NOT_SUPPORTED_FOR_BANK": "currency_not_supported",
    "CURRENCY_NOT_SUPPORTED_FOR_CARD_TYPE": "currency_not_supported",
    "CURRENCY_NOT_SUPPORTED_FOR_COUNTRY": "currency_not_supported",
    "CANNOT_BE_ZERO_OR_NEGATIVE": "amount_not_supported",
    "CANNOT_BE_NEGATIVE": "amount_not_supported",
    "DECIMAL_PRECISION": "amount_not_supported",
    "DECIMALS_NOT_SUPPORTED": "amount_not_supported",
    "MAX_VALUE_EXCEEDED": "amount_not_supported",
    "AUTHORIZATION_AMOUNT_EXCEEDED": "amount_not_supported",
    "MAX_CAPTURE_AMOUNT_EXCEEDED": "amount_not_supported",
    "REFUND_AMOUNT_TOO_LOW": "amount_not_supported",
    "ORDER_EXPIRED": "authorization_expired",
    "DUPLICATE_INVOICE_ID": "duplicate",
    "CAPTURE_FULLY_REFUNDED": "already_refunded",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "balance_insufficient",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "disputed",
    "TRANSACTION_DISPUTED": "disputed",
    "REFUND_NOT_ALLOWED": "refund_failed",
    "REFUND_AMOUNT_EXCEEDED": "refund_failed",
    "REFUND_IS_RESTRICTED": "refund_failed",
    "REFUND_TIME_LIMIT_EXCEEDED": "refund_failed",
    "PARTIAL_REFUND_NOT_ALLOWED": "refund_failed",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "refund_failed",
    "PENDING_CAPTURE": "refund_failed",
}
# "Not in this state": what state it is in says whether an earlier attempt of ours did it.
STATE_ISSUES: Final = frozenset(
    {
        "ORDER_NOT_APPROVED",
        "ORDER_ALREADY_AUTHORIZED",
        "ORDER_ALREADY_CAPTURED",
        "ORDER_CANNOT_BE_CONFIRMED",
        "ORDER_COMPLETED_OR_VOIDED",
        "ORDER_IS_PENDING_APPROVAL",
        "PAYMENT_ALREADY_APPROVED",
        "MAX_AUTHORIZATION_COUNT_EXCEEDED",
        "AUTHORIZATION_ALREADY_CAPTURED",
        "AUTHORIZATION_DENIED",
        "AUTHORIZATION_EXPIRED",
        "AUTHORIZATION_VOIDED",
        "MAX_CAPTURE_COUNT_EXCEEDED",
        "PREVIOUSLY_CAPTURED",
        "PREVIOUSLY_VOIDED",
    }
)
PAYER_MUST_ACT: Final = "PAYER_ACTION_REQUIRED"
_IN_PROGRESS: Final = frozenset({"PREVIOUS_REQUEST_IN_PROGRESS", "ORDER_COMPLETION_IN_PROGRESS"})
_KEY_REUSED: Final = frozenset({"DUPLICATE_REQUEST_ID", "PAYPAL_REQUEST_ID_MISMATCH"})


def unified_code(issue: str) -> str:
    """Our code of an issue; one that nobody here knows is a request that PayPal refused."""
    return _CODES.get(issue, "provider_rejected")


def issue_of(error: Exception) -> str:
    """The first issue of PayPal's error body; its name where there is none, or nothing."""
    body = _body(error)
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details else {}
    issue = first.get("issue") if isinstance(first, Mapping) else None
    return str(issue or body.get("name") or body.get("error") or "")


def translated(error: Exception) -> Declined | OutcomeUnknown:
    """What an exception of the transport means for the operation that was asked for."""
    if isinstance(error, NoToken):
        return _tokenless(error.cause)
    if isinstance(error, NotSent):
        return OutcomeUnknown(NEVER_SENT, str(error), unsent=True)
    if isinstance(error, Interrupted):
        return OutcomeUnknown("timeout" if error.timed_out else "connection_lost", str(error))
    assert isinstance(error, PayPalError)
    status, body, issue = error.response.status_code, _body(error), issue_of(error)
    if status == 429:
        return OutcomeUnknown("rate_limited", issue, unsent=True)
    if status in (401, 403) and body:
        # Refused before it was looked at: our key or our account, and only a person can mend that.
        return OutcomeUnknown("not_authenticated", _says(body), unsent=True, alert=True)
    if issue in _KEY_REUSED:
        # The key was used with another request before: a bug of ours, no reason to send again.
        return OutcomeUnknown("key_reused", _says(body), alert=True)
    if (status == 409 and body) or issue in _IN_PROGRESS:
        return OutcomeUnknown("in_progress", _says(body))
    if status in (400, 404, 422) and body:
        return _refused(status, body, issue)
    if status >= 500:
        return OutcomeUnknown("provider_error" if body else "provider_unavailable", _says(body))
    return OutcomeUnknown("malformed_answer", f"HTTP {status}")


def _refused(status: int, body: Mapping[str, Any], issue: str) -> Declined | OutcomeUnknown:
    if issue in STATE_ISSUES:
        return OutcomeUnknown("unexpected_state", _says(body), answered=True)
    if status == 404 and issue not in _CODES:
        # An object that we know is not there: another account's key, not an answer to believe.
        return OutcomeUnknown(OBJECT_MISSING, _says(body), answered=True, alert=True)
    return Declined(unified_code(issue), provider_code=issue)


def _tokenless(cause: Exception) -> OutcomeUnknown:
    """Without a token nothing was sent, whatever became of the request for the token."""
    body = _body(cause)
    if isinstance(cause, PayPalError) and cause.response.status_code in (400, 401, 403) and body:
        return OutcomeUnknown("not_authenticated", _says(body), unsent=True, alert=True)
    return OutcomeUnknown(NEVER_SENT, f"no token: {type(cause).__name__}", unsent=True)


def _body(error: Exception) -> Mapping[str, Any]:
    """PayPal's own error body; empty if somebody else answered."""
    content = getattr(error, "content", None)
    try:
        found = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return found if found.get("name") or found.get("error") else {}


def _says(body: Mapping[str, Any]) -> str:
    words = (body.get("name") or body.get("error"), body.get("debug_id"))
    return " ".join(str(word) for word in words if word)[:200]
