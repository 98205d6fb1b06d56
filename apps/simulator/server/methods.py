"""Payment methods and customers: tokens used directly, created from tokens, attached."""

from . import cards, objects
from .cards import Card
from .store import Record
from .wire import Call, Json, StripeError
from .world import World, touch


def usable(world: World, given: str, customer: str | None, *, is_used: bool = False) -> Record:
    """The payment method a request names; a `pm_card_*` name becomes a fresh one, as in test mode.

    `is_used`: it pays in this very request.

    :raises StripeError: unknown, or of a customer that the request does not name.
    """
    card = cards.find(given) if cards.is_name(given) else None
    if card is not None:
        return _add(world, given, card, {}, is_used=is_used)
    method = world.get(given, "payment_method", param="payment_method", status=400)
    if method.body["customer"] not in (None, customer):
        raise StripeError(
            400,
            f"The payment method you provided ({given}) is attached to a customer so for security"
            " purposes you must provide the customer in the request.",
            param="payment_method",
        )
    if is_used:
        use(world, method)
    return method


def use(world: World, method: Record) -> None:
    """One that belongs to no customer pays once: whoever wants it twice attaches it first.

    :raises StripeError: it has paid before.
    """
    if method.body["customer"] is not None:
        return
    if method.facts.get("is_used"):
        raise StripeError(
            400,
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer"
            " attachment, shared with a connected account without Customer attachment, or was"
            " detached from a Customer. It may not be used again. To use a PaymentMethod multiple"
            " times, you must attach it to a Customer first.",
            param="payment_method",
        )
    method.facts["is_used"] = True
    world.store.save(method)


def card_of(method: Record) -> Card:
    return cards.find(method.facts["token"]) or cards.CARDS["visa"]


def _add(world: World, token: str, card: Card, params: Json, *, is_used: bool = False) -> Record:
    world.has_faulty_cards = world.has_faulty_cards or bool(card.fault)
    body = objects.payment_method(objects.new_id("pm"), card, world.now(), params)
    return world.add("payment_method", body, {"token": token, "is_used": is_used})


def create(world: World, call: Call) -> Json:
    params = call.params
    given = params.get("card")
    token = given.get("token", "") if isinstance(given, dict) else ""
    if params.get("type", "card") != "card":
        raise StripeError(400, "This simulator knows cards only.", param="type")
    if not token:
        raise StripeError(
            402, "Sending credit card numbers directly to the Stripe API is generally unsafe.",
            param="card",
        )  # fmt: skip
    card = cards.find(token) if token.startswith("tok_") else None
    if card is None:
        raise StripeError(
            400, f"No such token: '{token}'", code="resource_missing", param="card[token]"
        )
    return _add(world, token, card, params).body


def retrieve(world: World, call: Call) -> Json:
    card = cards.find(call.object_id) if cards.is_name(call.object_id) else None
    if card is not None:
        return _add(world, call.object_id, card, {}).body
    return world.get(call.object_id, "payment_method", param="payment_method").body


def attach(world: World, call: Call) -> Json:
    """:raises StripeError: no such customer, or a card whose issuer refuses the check."""
    customer = call.params.get("customer", "")
    world.get(customer, "customer", param="customer", status=400)
    card = cards.find(call.object_id) if cards.is_name(call.object_id) else None
    if card is not None:
        method = _add(world, call.object_id, card, {})
    else:
        method = world.get(call.object_id, "payment_method", param="payment_method")
    if method.body["customer"] not in (None, customer):
        raise StripeError(
            400, "The payment method you provided has already been attached to a customer."
        )
    if method.facts.get("is_used"):
        raise StripeError(
            400, "This PaymentMethod was previously used without being attached to a Customer and"
            " may not be used again.",
        )  # fmt: skip
    decline = card_of(method).decline
    waits = card_of(method).three_d_secure == "required" or method.facts["token"].endswith(
        "chargeCustomerFail"
    )
    waits = waits or bool(card_of(method).bank)
    if decline is not None and not waits:
        raise StripeError(
                402, decline.message, kind="card_error", code=decline.code,
                decline_code=decline.decline_code,
            )  # fmt: skip
    touch(world, method, customer=customer)
    world.emit("payment_method.attached", method.body)
    return method.body


def detach(world: World, call: Call) -> Json:
    method = world.get(call.object_id, "payment_method", param="payment_method")
    if method.body["customer"] is None:
        raise StripeError(
            400, "The payment method you provided is not attached to a customer so detachment is"
            " impossible.",
        )  # fmt: skip
    method.facts["is_used"] = True
    touch(world, method, customer=None)
    world.emit("payment_method.detached", method.body)
    return method.body


def create_customer(world: World, call: Call) -> Json:
    body = objects.customer(objects.new_id("cus", 14), world.now(), call.params)
    world.add("customer", body)
    world.emit("customer.created", body)
    return body


def retrieve_customer(world: World, call: Call) -> Json:
    return world.get(call.object_id, "customer", param="customer").body
