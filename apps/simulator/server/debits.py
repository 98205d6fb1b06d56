"""Bank debits: the payer agrees at once, the bank answers in days, and may take it back later."""

from . import charges, disputes
from .cards import Card
from .methods import card_of
from .store import Record
from .wire import Json, StripeError
from .world import World, touch

_CURRENCY = {"us_bank_account": "usd", "sepa_debit": "eur"}


def attempt(world: World, intent: Record, method: Record, card: Card, params: Json) -> Json:
    """Send the debit to the bank: nothing is taken yet.

    :raises StripeError: what no bank debits.
    """
    if intent.body["capture_method"] == "manual":
        raise StripeError(
            400, f"The payment method type {card.bank} does not support manual capture.",
            param="capture_method",
        )  # fmt: skip
    if intent.body["currency"] != _CURRENCY[card.bank]:
        raise StripeError(
            400, f"The currency {intent.body['currency']} is not supported by {card.bank}.",
            param="currency",
        )  # fmt: skip
    if not params.get("mandate_data") and not params.get("mandate"):
        raise StripeError(
            400, f"{card.bank} needs the customer's mandate: `mandate_data`.", param="mandate_data"
        )
    charge = charges.charge_of(world, intent, method, card, challenged=False)
    charge.body |= {"paid": False, "status": "pending"}
    world.store.insert(charge)
    intent.facts["charge"] = charge.id
    touch(
        world, intent, status="processing", latest_charge=charge.id,
        payment_method_types=[card.bank],
    )  # fmt: skip
    world.emit("charge.pending", charge.body)
    world.emit("payment_intent.processing", intent.body)
    world.later("debit_is_answered", intent.id)
    return intent.body


def answer(world: World, intent: Record) -> None:
    """The bank has paid, or says why not; one that comes back later has paid before."""
    if intent.body["status"] != "processing":
        return
    charge = world.get(intent.facts["charge"], "charge")
    method = world.get(intent.body["payment_method"], "payment_method")
    card = card_of(method)
    if card.decline is None:
        charge.body |= {"paid": True, "status": "succeeded"}
        world.store.save(charges.settled(world, charge, intent.body["amount"], card))
        touch(world, intent, status="succeeded", amount_received=intent.body["amount"])
        world.emit("charge.succeeded", charge.body)
        world.emit("payment_intent.succeeded", intent.body)
        disputes.follow(world, charge, card)
        return
    failed = {"failure_code": card.decline.code, "failure_message": card.decline.message}
    touch(world, charge, status="failed", **failed)
    error = {
        "charge": charge.id,
        "code": card.decline.code,
        "message": card.decline.message,
        "payment_method": method.body,
        "type": "invalid_request_error",
    }
    touch(
        world, intent, status="requires_payment_method", payment_method=None,
        last_payment_error=error,
    )  # fmt: skip
    world.emit("charge.failed", charge.body)
    world.emit("payment_intent.payment_failed", intent.body)
