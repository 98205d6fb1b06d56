"""Bank accounts to pay out to. Of a number only what becomes of a payout is kept, and four digits.

Stripe's own numbers for trying payouts, in the United States and as German IBANs, and three more:
one that sends the money back days later, one from which nothing is heard until somebody says so,
and one that is not taken at all.
"""

import hashlib

from . import objects
from .store import Record
from .wire import Call, Json, StripeError
from .world import World

# The end of the number: what becomes of a payout. A failure's word is Stripe's `failure_code`.
_FAILS = {
    "111111116": "no_account",
    "111111113": "account_closed",
    "222222227": "insufficient_funds",
    "333333335": "debit_not_authorized",
    "444444440": "invalid_currency",
    "0532013001": "no_account",
    "0532013002": "account_closed",
}
_RETURNS = {"777777771": "no_account", "0532013003": "no_account"}
_KEEPS_SILENT = ("555555554",)
_REFUSED = ("BAD00",)


def create(world: World, call: Call) -> Json:
    """Add an account; it is Stripe's idempotency keys that keep a repeat from adding another."""
    given, metadata = call.params["external_account"], call.params.get("metadata")
    if not isinstance(given, dict) or given.get("object") != "bank_account":
        raise StripeError(400, "Only bank accounts, given by number.", param="external_account")
    number = given["account_number"]
    if not 4 <= len(number) <= 34 or number.endswith(_REFUSED):
        raise StripeError(
            400, "Invalid account number.", code="account_number_invalid",
            param="external_account[account_number]",
        )  # fmt: skip
    bank = _body(world, call.object_id, given, objects.metadata({}, metadata))
    world.add("bank_account", bank, {"outcome": _outcome(number)})
    return bank


def find(world: World, account: str) -> Record:
    """The account that a payout names as its destination.

    :raises StripeError: there is none.
    """
    found = world.store.find(account, "bank_account")
    if found is None:
        raise StripeError(
            404, f"No such external account: '{account}'", code="resource_missing",
            param="destination",
        )  # fmt: skip
    return found


def _outcome(number: str) -> Json:
    """What becomes of payouts to this number."""
    for endings, word in ((_FAILS, "fails"), (_RETURNS, "returns")):
        for ending, code in endings.items():
            if number.endswith(ending):
                return {"what": word, "code": code}
    return {"what": "silent" if number.endswith(_KEEPS_SILENT) else "arrives", "code": None}


def _body(world: World, account: str, given: Json, metadata: Json) -> Json:
    number = given["account_number"]
    return {
        "id": objects.new_id("ba"),
        "object": "bank_account",
        "account": account,
        "account_holder_name": given.get("account_holder_name"),
        "account_holder_type": given.get("account_holder_type"),
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": "SIMULATED BANK",
        "country": given["country"],
        "created": world.now(),
        "currency": given.get("currency", "usd").lower(),
        "default_for_currency": False,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "last4": number[-4:],
        "metadata": metadata,
        "routing_number": given.get("routing_number"),
        "status": "new",
    }
