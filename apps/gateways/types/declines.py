"""Why a provider says no: one vocabulary for every provider, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a merchant can do about it."""

    OTHER_METHOD = "ask_for_another_payment_method"
    CHECK_CARD = "ask_to_check_the_card_details"
    CHECK_BANK = "check_the_bank_account"
    AUTHENTICATE = "ask_to_authenticate"
    CONTACT_BANK = "ask_to_contact_the_bank"
    LATER = "try_again_later"
    PAY_AGAIN = "make_a_new_payment"
    REFUND_IT = "refund_it"
    ANSWER_DISPUTE = "answer_the_dispute"
    CONTACT_US = "contact_support"


@dataclass(frozen=True)
class Decline:
    """`retryable`: the same card may well be accepted later. `action` is for the merchant.

    `issuers`: the cardholder's bank said it, so another provider would hear the same.
    """

    code: str
    message: str
    action: Action
    retryable: bool = False
    issuers: bool = True


_TABLE = (
    Decline("card_declined", "The card was declined.", Action.CONTACT_BANK),
    Decline("do_not_honor", "The card was declined.", Action.CONTACT_BANK),
    Decline(
        "insufficient_funds",
        "The card has insufficient funds.",
        Action.OTHER_METHOD,
        retryable=True,
    ),
    Decline("limit_exceeded", "The card's limit is exceeded.", Action.OTHER_METHOD, retryable=True),
    Decline("expired_card", "The card has expired.", Action.OTHER_METHOD),
    Decline("incorrect_cvc", "The card's security code is incorrect.", Action.CHECK_CARD),
    Decline("incorrect_number", "The card number is incorrect.", Action.CHECK_CARD),
    Decline("invalid_expiry", "The card's expiry date is invalid.", Action.CHECK_CARD),
    Decline("incorrect_address", "The billing address is incorrect.", Action.CHECK_CARD),
    Decline("incorrect_pin", "The PIN is incorrect.", Action.CHECK_CARD),
    Decline("lost_card", "The card was declined.", Action.OTHER_METHOD),
    Decline("stolen_card", "The card was declined.", Action.OTHER_METHOD),
    Decline("pickup_card", "The card was declined.", Action.OTHER_METHOD),
    Decline("fraudulent", "The card was declined.", Action.OTHER_METHOD),
    Decline("invalid_account", "The card's account is not valid.", Action.CONTACT_BANK),
    Decline("not_permitted", "The card does not allow this payment.", Action.OTHER_METHOD),
    Decline("card_not_supported", "The card does not support this payment.", Action.OTHER_METHOD),
    Decline(
        "currency_not_supported", "The card does not support the currency.", Action.OTHER_METHOD
    ),
    Decline(
        "authentication_required",
        "The bank asks for authentication.",
        Action.AUTHENTICATE,
        retryable=True,
    ),
    Decline(
        "authentication_failed", "The authentication failed.", Action.OTHER_METHOD, retryable=True
    ),
    Decline(
        "issuer_unavailable", "The card's bank could not be reached.", Action.LATER, retryable=True
    ),
    Decline(
        "processing_error",
        "The provider could not process the card.",
        Action.LATER,
        retryable=True,
        issuers=False,
    ),
    Decline(
        "duplicate", "The provider took it for a repetition.", Action.CONTACT_US, issuers=False
    ),
    Decline("test_card", "A test card was used.", Action.OTHER_METHOD, issuers=False),
    Decline(
        "blocked_by_provider",
        "The provider blocked the payment.",
        Action.OTHER_METHOD,
        issuers=False,
    ),
    Decline(
        "provider_rejected", "The provider refused the request.", Action.CONTACT_US, issuers=False
    ),
    Decline(
        "token_invalid", "The payment method is not usable.", Action.OTHER_METHOD, issuers=False
    ),
    Decline(
        "amount_not_supported",
        "The provider cannot take this amount in this currency.",
        Action.CONTACT_US,
        issuers=False,
    ),
    Decline(
        "operation_not_supported",
        "The provider does not offer this.",
        Action.CONTACT_US,
        issuers=False,
    ),
    Decline(
        "authorization_expired",
        "The authorization has lapsed.",
        Action.PAY_AGAIN,
        issuers=False,
    ),
    Decline(
        "authorization_voided", "The authorization was voided.", Action.PAY_AGAIN, issuers=False
    ),
    Decline("not_authorized", "The payment is not authorized.", Action.CONTACT_US, issuers=False),
    Decline(
        "already_captured", "The payment was captured before.", Action.REFUND_IT, issuers=False
    ),
    Decline(
        "already_refunded", "The payment was refunded before.", Action.CONTACT_US, issuers=False
    ),
    Decline("disputed", "The payment is disputed.", Action.ANSWER_DISPUTE, issuers=False),
    Decline(
        "balance_insufficient",
        "The balance is too low.",
        Action.LATER,
        retryable=True,
        issuers=False,
    ),
    Decline("refund_failed", "The refund failed.", Action.CONTACT_US),
    Decline("payout_failed", "The bank did not take the money.", Action.CHECK_BANK, issuers=False),
    Decline(
        "bank_account_invalid",
        "The bank account cannot be paid to.",
        Action.CHECK_BANK,
        issuers=False,
    ),
    Decline(
        "bank_account_removed", "The bank account was removed.", Action.CHECK_BANK, issuers=False
    ),
)

DECLINES: dict[str, Decline] = {row.code: row for row in _TABLE}


def decline(code: str) -> Decline:
    """The row of a code; a code that no provider should have given reads as `card_declined`."""
    return DECLINES.get(code) or DECLINES["card_declined"]
