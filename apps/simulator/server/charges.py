"""Charges: what a confirmed payment intent does to the card, and to the balance.

Two habits of Stripe's that surprise: what is not captured, or let go by a cancellation, shows as
`amount_refunded` on the charge although no refund exists; and the provider keeps its fee when a
payment is refunded.
"""

from . import disputes, objects
from .cards import Card, Decline
from .store import Record
from .wire import Json, StripeError
from .world import World, touch

_CAPTURE_WITHIN = 7 * 86_400

NEEDS_AUTHENTICATION = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)


def attempt(world: World, intent: Record, method: Record, card: Card, *, challenged: bool) -> Json:
    """Ask the issuer. The charge exists either way.

    :raises StripeError: 402, and what it wrote stays.
    """
    if card.decline is not None:
        return fail(world, intent, method, card, card.decline, challenged=challenged)
    charge = charge_of(world, intent, method, card, challenged=challenged)
    intent.facts["charge"] = charge.id
    if intent.body["capture_method"] == "manual":
        before = world.now() + _CAPTURE_WITHIN
        charge.body["payment_method_details"]["card"]["capture_before"] = before
        intent.facts["capture_before"] = before
        world.store.insert(charge)
        world.later("expire", intent.id, _CAPTURE_WITHIN)
        touch(
            world, intent, status="requires_capture", latest_charge=charge.id,
            amount_capturable=intent.body["amount"],
        )  # fmt: skip
        world.emit("charge.succeeded", charge.body)
        world.emit("payment_intent.amount_capturable_updated", intent.body)
        return intent.body
    world.store.insert(settled(world, charge, intent.body["amount"], card))
    touch(
        world, intent, status="succeeded", latest_charge=charge.id,
        amount_received=intent.body["amount"],
    )  # fmt: skip
    world.emit("charge.succeeded", charge.body)
    world.emit("payment_intent.succeeded", intent.body)
    disputes.follow(world, charge, card)
    return intent.body


def charge_of(
    world: World, intent: Record, method: Record, card: Card, *, challenged: bool
) -> Record:
    body = objects.charge(objects.new_id("ch"), world.now(), intent.body, method.body, card)
    if card.bank:
        return Record(body["id"], "charge", body["created"], body, {"refunded": 0})
    asked = intent.body["payment_method_options"]["card"]["request_three_d_secure"]
    if challenged or (asked != "automatic" and card.three_d_secure == "frictionless"):
        body["payment_method_details"]["card"]["three_d_secure"] = {
            "authentication_flow": "challenge" if challenged else None,
            "electronic_commerce_indicator": "05" if challenged else "06",
            "exemption_indicator": None,
            "result": "authenticated" if challenged else "attempt_acknowledged",
            "result_reason": None,
            "transaction_id": objects.new_id("x")[2:],
            "version": "2.2.0",
        }
    return Record(body["id"], "charge", body["created"], body, {"refunded": 0})


def fail(
    world: World, intent: Record, method: Record, card: Card, decline: Decline,
    *, challenged: bool = False,
) -> Json:  # fmt: skip
    """The issuer, or Stripe's own rules, said no: a failed charge; the intent wants another card.

    After a challenge the news comes by event and look-up alone: the customer stands at the page.

    :raises StripeError: 402 `card_error`, keeping what was written; not after a challenge.
    """
    charge = charge_of(world, intent, method, card, challenged=challenged)
    charge.body |= {
        "failure_code": decline.code,
        "failure_message": decline.message,
        "paid": False,
        "status": "failed",
    }
    charge.body["outcome"] |= {
        "network_status": "not_sent_to_network" if decline.is_blocked else "declined_by_network",
        "reason": "highest_risk_level" if decline.is_blocked else decline.decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "blocked" if decline.is_blocked else "issuer_declined",
    }
    world.store.insert(charge)
    error = {
        "charge": charge.id,
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": method.body,
        "type": "card_error",
    }
    touch(
        world, intent, status="requires_payment_method", payment_method=None,
        latest_charge=charge.id, last_payment_error=error,
    )  # fmt: skip
    world.emit("charge.failed", charge.body)
    world.emit("payment_intent.payment_failed", intent.body)
    if challenged:
        return intent.body
    raise StripeError(
        402, decline.message, kind="card_error", code=decline.code, keeps_effect=True,
        decline_code=decline.decline_code, charge=charge.id, payment_method=method.body,
        payment_intent=intent.body,
    )  # fmt: skip


def capture(world: World, intent: Record, amount: int) -> None:
    """Take `amount` of an authorized charge; the rest is let go."""
    from .methods import card_of

    charge = world.get(intent.facts["charge"], "charge")
    method = world.get(intent.body["payment_method"], "payment_method")
    card = card_of(method)
    charge.body["metadata"] = intent.body["metadata"]
    charge.body["amount_refunded"] = charge.body["amount"] - amount
    world.store.save(settled(world, charge, amount, card))
    touch(world, intent, status="succeeded", amount_capturable=0, amount_received=amount)
    world.emit("charge.captured", charge.body)
    world.emit("payment_intent.succeeded", intent.body)
    disputes.follow(world, charge, card)


def settled(world: World, charge: Record, amount: int, card: Card) -> Record:
    """The captured charge with its line in the balance; the caller writes it."""
    now = world.now()
    wait = 0 if card.is_available_at_once else world.config.available_after_seconds
    transaction = balance(
        world, kind="charge", source=charge.id, currency=charge.body["currency"], amount=amount,
        fee=objects.fee_of(amount), available_on=now + wait, category="charge",
        description=charge.body["description"],
    )  # fmt: skip
    charge.body |= {
        "captured": True, "amount_captured": amount, "balance_transaction": transaction.id,
    }  # fmt: skip
    return charge


def balance(world: World, **facts: object) -> Record:
    """One line of the provider's own ledger."""
    body = objects.balance_transaction(objects.new_id("txn"), world.now(), **facts)  # type: ignore[arg-type]
    return world.add("balance_transaction", body)


def release(world: World, intent: Record, *, is_expiry: bool) -> None:
    """Let go of an authorization: nothing was taken, so nothing goes through the balance."""
    charge = world.get(intent.facts["charge"], "charge")
    touch(world, charge, amount_refunded=charge.body["amount"], refunded=True)
    world.emit("charge.expired" if is_expiry else "charge.refunded", charge.body)
