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

    `providers_own`: it says nothing of the card, the customer or their bank, nor of a risk that
    somebody saw, so another provider may well take the same payment. Whatever is not known to be
    so is taken for the issuer's.
    """

    code: str
    message: str
    action: Action
    retryable: bool = False
    providers_own: bool = False


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
    # Stripe, "Card decline codes": "an error occurred while processing the card". What its table
    # says of the issuer, `try_again_later` and `reenter_transaction`, is `issuer_unavailable`.
    Decline(
        "processing_error",
        "The provider could not process the card.",
        Action.LATER,
        retryable=True,
        providers_own=True,
    ),
    # Our account there. PayPal, Orders v2 errors: `PAYEE_ACCOUNT_RESTRICTED`, "the merchant account
    # is restricted", and its like; Stripe, error codes: `testmode_charges_only`, "your account has
    # not been activated".
    Decline(
        "account_restricted",
        "The provider's account cannot take payments.",
        Action.CONTACT_US,
        providers_own=True,
    ),
    Decline("duplicate", "The provider took it for a repetition.", Action.CONTACT_US),
    Decline("test_card", "A test card was used.", Action.OTHER_METHOD),
    Decline(
        "blocked_by_provider",
        "The provider blocked the payment.",
        Action.OTHER_METHOD,
    ),
    Decline("provider_rejected", "The provider refused the request.", Action.CONTACT_US),
    Decline("token_invalid", "The payment method is not usable.", Action.OTHER_METHOD),
    # Stripe, error codes: `amount_too_large`, `amount_too_small`; PayPal: `MAX_VALUE_EXCEEDED`,
    # `TRANSACTION_RECEIVING_LIMIT_EXCEEDED`, the limit of our account. The card's limits are
    # `limit_exceeded`.
    Decline(
        "amount_not_supported",
        "The provider cannot take this amount in this currency.",
        Action.CONTACT_US,
        providers_own=True,
    ),
    # Stripe: `payment_method_unactivated`, "not activated on your account"; PayPal:
    # `NOT_ENABLED_FOR_CARD_PROCESSING`, `PAYEE_COUNTRY_NOT_SUPPORTED_FOR_PAYMENT_SOURCE`.
    Decline(
        "operation_not_supported",
        "The provider does not offer this.",
        Action.CONTACT_US,
        providers_own=True,
    ),
    Decline(
        "authorization_expired",
        "The authorization has lapsed.",
        Action.PAY_AGAIN,
    ),
    Decline("authorization_voided", "The authorization was voided.", Action.PAY_AGAIN),
    Decline("not_authorized", "The payment is not authorized.", Action.CONTACT_US),
    Decline("already_captured", "The payment was captured before.", Action.REFUND_IT),
    Decline("already_refunded", "The payment was refunded before.", Action.CONTACT_US),
    Decline("disputed", "The payment is disputed.", Action.ANSWER_DISPUTE),
    Decline(
        "balance_insufficient",
        "The balance is too low.",
        Action.LATER,
        retryable=True,
    ),
    Decline("refund_failed", "The refund failed.", Action.CONTACT_US),
    Decline("payout_failed", "The bank did not take the money.", Action.CHECK_BANK),
    Decline(
        "bank_account_invalid",
        "The bank account cannot be paid to.",
        Action.CHECK_BANK,
    ),
    Decline("bank_account_removed", "The bank account was removed.", Action.CHECK_BANK),
)

DECLINES: dict[str, Decline] = {row.code: row for row in _TABLE}


def decline(code: str) -> Decline:
    """The row of a code; a code that no provider should have given reads as `card_declined`."""
    return DECLINES.get(code) or DECLINES["card_declined"]
