"""Why refunds and payouts fail is said in one vocabulary, whatever providers call it."""

from __future__ import annotations

import pytest

from apps.gateways.types import DECLINES
from apps.payments.types import ReturnReason, return_reason

# What Stripe lists for payouts and for refunds, and PayPal for refunds.
PAYOUTS = (
    *("account_closed", "account_frozen", "bank_account_restricted", "bank_ownership_changed"),
    *("could_not_process", "debit_not_authorized", "declined", "insufficient_funds"),
    *("incorrect_account_holder_address", "incorrect_account_holder_name"),
    *("incorrect_account_holder_tax_id", "invalid_account_number", "invalid_card"),
    *("invalid_currency", "no_account", "unsupported_card", "canceled"),
)
REFUNDS = (
    *("lost_or_stolen_card", "expired_or_canceled_card", "charge_for_pending_refund_disputed"),
    *("insufficient_funds", "declined", "merchant_request", "ECHECK"),
)


@pytest.mark.parametrize("word", [*PAYOUTS, *REFUNDS])
def test_every_word_of_a_provider_has_a_code(word: str) -> None:
    assert return_reason(word, otherwise="nobody knows") in set(ReturnReason)


@pytest.mark.parametrize("word", ["unknown", "failed", "", "Karte gesperrt", "NEW_WORD"])
def test_a_word_that_nobody_knows_is_not_passed_on(word: str) -> None:
    assert return_reason(word, otherwise="payout_failed") == "payout_failed"


@pytest.mark.parametrize("word", ["wallet_closed", "bank_account_removed", *sorted(DECLINES)])
def test_our_own_words_stay(word: str) -> None:
    assert return_reason(word, otherwise="refund_failed") == word
