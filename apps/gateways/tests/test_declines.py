"""Whose reason a refusal is: only a provider's own may send a payment to another provider."""

import pytest

from apps.gateways.providers.paypal import errors as paypal
from apps.gateways.providers.paypal.responses import unified_response
from apps.gateways.providers.stripe import errors as stripe
from apps.gateways.types import DECLINES, decline

OWN = {"processing_error", "account_restricted", "amount_not_supported", "operation_not_supported"}


def test_four_codes_are_a_providers_own_and_no_other():
    assert {code for code, row in DECLINES.items() if row.providers_own} == OWN


@pytest.mark.parametrize("code", ["", "new_in_2027", "card_declined", "provider_rejected"])
def test_a_code_that_nobody_knows_is_the_issuers(code):
    assert not decline(code).providers_own


@pytest.mark.parametrize(
    "word",
    [
        *("generic_decline", "do_not_honor", "insufficient_funds", "try_again_later"),
        *("reenter_transaction", "issuer_not_available", "approve_with_id", "invalid_amount"),
        *("card_velocity_exceeded", "currency_not_supported", "merchant_blacklist", "fraudulent"),
        *("highest_risk_level", "duplicate_transaction", "authentication_required", "new_in_2027"),
    ],
)
def test_what_stripe_says_of_the_issuer_or_of_a_risk_is_not_its_own(word):
    code = stripe.unified_code({"type": "card_error", "decline_code": word})

    assert not decline(code).providers_own


@pytest.mark.parametrize(
    "word",
    [
        *("processing_error", "testmode_charges_only", "amount_too_large"),
        "payment_method_unactivated",
    ],
)
def test_what_stripe_says_of_itself_or_of_our_account_is_its_own(word):
    assert decline(stripe.unified_code({"code": word})).providers_own


@pytest.mark.parametrize(
    "issue",
    [
        *("INSTRUMENT_DECLINED", "PAYER_ACCOUNT_RESTRICTED", "PAYER_CANNOT_PAY", "NEW_IN_2027"),
        *("TRANSACTION_LIMIT_EXCEEDED", "TRANSACTION_REFUSED", "COMPLIANCE_VIOLATION"),
        *("TRANSACTION_BLOCKED_BY_PAYEE", "AGREEMENT_ALREADY_CANCELLED", "DUPLICATE_INVOICE_ID"),
    ],
)
def test_what_paypal_says_of_the_payer_or_of_a_risk_is_not_its_own(issue):
    assert not decline(paypal.unified_code(issue)).providers_own


@pytest.mark.parametrize(
    "issue",
    [
        *("PAYEE_ACCOUNT_RESTRICTED", "PAYEE_ACCOUNT_LOCKED_OR_CLOSED", "PAYEE_ACCOUNT_INVALID"),
        *("TRANSACTION_RECEIVING_LIMIT_EXCEEDED", "NOT_ENABLED_FOR_CARD_PROCESSING"),
    ],
)
def test_what_paypal_says_of_our_account_is_its_own(issue):
    assert decline(paypal.unified_code(issue)).providers_own


def test_a_processors_word_that_nobody_knows_is_the_issuers():
    assert not decline(unified_response("ZZZZ")).providers_own
