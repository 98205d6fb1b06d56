"""Stripe's test cards, by the names its documentation gives them, and the simulator's own.

`pm_card_<name>` stands for a payment method and `tok_<name>` for a token; both name the same card.
The simulator's own cards are `pm_card_sim_<op>_<fault>` (`pm_card_sim_confirm_timeout_after`) and
`pm_card_sim_<fault>`: a Visa on which that call, or any call, meets the fault once.
"""

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a charge fails: Stripe's `code`, the issuer's `decline_code` and the sentence."""

    code: str
    message: str
    decline_code: str | None = None
    is_blocked: bool = False  # refused by Stripe's own rules, not by the issuer


@dataclass(frozen=True, slots=True)
class Card:
    brand: str = "visa"
    last4: str = "4242"
    funding: str = "credit"
    country: str = "US"
    decline: Decline | None = None
    three_d_secure: str = "optional"  # required | optional | frictionless | unsupported
    dispute: str | None = None  # the reason of the dispute that follows the charge
    refund: str = "succeeded"  # succeeded | fails_later | pending_first
    is_available_at_once: bool = False
    risk_level: str = "normal"
    fault: str = ""  # "<op>:<kind>"
    bank: str = ""  # us_bank_account | sepa_debit: an account, whose bank answers in days


def _decline(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", message, decline_code)


_GENERIC = _decline("generic_decline")
_FUNDS = _decline("insufficient_funds", "Your card has insufficient funds.")
_EXPIRED = Decline("expired_card", "Your card has expired.", "expired_card")
_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc")
_PROCESSING = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
)
_FRAUD = Decline("card_declined", "Your card was declined.", "fraudulent", is_blocked=True)

# Cards that require 3-D Secure stop at `requires_action`; the plain Visa is "supported, not
# enrolled": asking for 3-D Secure lets it through without a challenge.
CARDS: dict[str, Card] = {
    "visa": Card(three_d_secure="frictionless"),
    "visa_debit": Card(last4="5556", funding="debit", three_d_secure="frictionless"),
    "mastercard": Card("mastercard", "4444"),
    "mastercard_debit": Card("mastercard", "8210", "debit"),
    "mastercard_prepaid": Card("mastercard", "5100", "prepaid"),
    "amex": Card("amex", "8431", three_d_secure="unsupported"),
    "amex_threeDSecureNotSupported": Card("amex", "0005", three_d_secure="unsupported"),
    "discover": Card("discover", "1117"),
    "diners": Card("diners", "0004"),
    "jcb": Card("jcb", "0505", country="JP"),
    "unionpay": Card("unionpay", "0005", country="CN"),
    "de": Card(last4="0016", country="DE"),
    "fr": Card(last4="0003", country="FR"),
    "gb": Card(last4="0000", country="GB"),
    "jp": Card(last4="0003", country="JP"),
    "visa_chargeDeclined": Card(last4="0002", decline=_GENERIC),
    "visa_chargeDeclinedInsufficientFunds": Card(last4="9995", decline=_FUNDS),
    "visa_chargeDeclinedLostCard": Card(last4="9987", decline=_decline("lost_card")),
    "visa_chargeDeclinedStolenCard": Card(last4="9979", decline=_decline("stolen_card")),
    "visa_chargeDeclinedVelocityLimitExceeded": Card(
        last4="6975", decline=_decline("card_velocity_exceeded")
    ),
    "chargeDeclinedExpiredCard": Card(last4="0069", decline=_EXPIRED),
    "chargeDeclinedIncorrectCvc": Card(last4="0127", decline=_CVC),
    "chargeDeclinedProcessingError": Card(last4="0119", decline=_PROCESSING),
    "chargeDeclinedFraudulent": Card(last4="0019", decline=_FRAUD, risk_level="highest"),
    "chargeCustomerFail": Card(last4="0341", decline=_GENERIC),
    "radarBlock": Card(last4="0019", decline=_FRAUD, risk_level="highest"),
    "riskLevelHighest": Card(last4="4954", decline=_FRAUD, risk_level="highest"),
    "riskLevelElevated": Card(last4="9235", risk_level="elevated"),
    "authenticationRequired": Card(last4="3184", country="DE", three_d_secure="required"),
    "authenticationRequiredOnSetup": Card(last4="3155", country="DE", three_d_secure="required"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        last4="3178", country="DE", three_d_secure="required", decline=_FUNDS
    ),
    "threeDSecure2Required": Card(last4="3220", country="IE", three_d_secure="required"),
    "threeDSecureRequired": Card(last4="3063", three_d_secure="required"),
    "threeDSecureRequiredChargeDeclined": Card(
        last4="1629", three_d_secure="required", decline=_GENERIC
    ),
    "threeDSecureOptional": Card(last4="3055"),
    "createDispute": Card(last4="0259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Card(last4="2685", dispute="product_not_received"),
    "refundFail": Card(last4="5126", refund="fails_later"),
    "pendingRefund": Card(last4="7726", refund="pending_first"),
    "bypassPending": Card(last4="0077", is_available_at_once=True),
}

# Stripe knows these declines without the brand as well.
for _name in ("", "InsufficientFunds", "LostCard", "StolenCard", "VelocityLimitExceeded"):
    CARDS[f"chargeDeclined{_name}"] = CARDS[f"visa_chargeDeclined{_name}"]

# The accounts of Stripe's tests, for SEPA by the same names. What the bank says, it says in days.
_CLOSED = Decline("account_closed", "The bank account has been closed.")
_NO_ACCOUNT = Decline("no_account", "No account was found at the bank.")
_UNFUNDED = Decline("insufficient_funds", "The bank account has insufficient funds.")
_UNAUTHORIZED = Decline("debit_not_authorized", "The customer has not authorized the debit.")
_ACCOUNTS: dict[str, tuple[str, Decline | None]] = {
    "success": ("6789", None),
    "accountClosed": ("1113", _CLOSED),
    "noAccount": ("1116", _NO_ACCOUNT),
    "insufficientFunds": ("2227", _UNFUNDED),
    "debitNotAuthorized": ("3335", _UNAUTHORIZED),
    "dispute": ("5558", None),
}
for _prefix, _bank, _country in (
    ("pm_usBankAccount_", "us_bank_account", "US"),
    ("pm_sepaDebit_", "sepa_debit", "DE"),
):
    for _name, (_last4, _why) in _ACCOUNTS.items():
        CARDS[_prefix + _name] = Card(
            "", _last4, "", _country, decline=_why, bank=_bank,
            dispute="insufficient_funds" if _name == "dispute" else None,
        )  # fmt: skip

FAULT_OPS = ("create", "confirm", "capture", "cancel", "retrieve", "refund")


def is_name(token: str) -> bool:
    """Whether it stands for a payment method that need not have been made."""
    return token.startswith(("pm_card_", "pm_usBankAccount_", "pm_sepaDebit_"))


def find(token: str) -> Card | None:
    """The card or account that a `pm_card_*`, `tok_*` or `pm_usBankAccount_*` name stands for."""
    if token in CARDS and is_name(token):
        return CARDS[token]
    name = token.removeprefix("pm_card_") if token.startswith("pm_card_") else ""
    if token.startswith("tok_"):
        name = token.removeprefix("tok_")
    if name.startswith("sim_"):
        return _faulty(name.removeprefix("sim_"))
    return CARDS.get(name)


def _faulty(name: str) -> Card:
    words = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
    head, _, rest = words.partition("_")
    op, kind = (head, rest) if head in FAULT_OPS else ("*", words)
    return replace(CARDS["visa"], fault=f"{op}:{kind}")
