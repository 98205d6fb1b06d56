"""Refunds: at once, first pending, or failing later."""

from . import charges, methods, objects
from .store import Record
from .wire import Call, Json, StripeError
from .world import World, touch

_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(world: World, call: Call) -> Json:
    charge = _charge(world, call.params)
    _check_reason(call.params)
    amount = _amount(charge, call.params)
    body = objects.refund(objects.new_id("re"), world.now(), charge.body, call.params, amount)
    how = _card_refund(world, charge)
    if how == "pending_first":
        body["status"] = "pending"
    refund = world.add("refund", body)
    if how != "pending_first":
        _pay_back(world, refund)
    if how != "succeeded":
        world.later("refund_succeeds" if how == "pending_first" else "refund_fails", refund.id)
    _count(world, charge, amount)
    world.emit("refund.created", refund.body)
    world.emit("charge.refunded", charge.body)
    return refund.body


def _charge(world: World, params: Json) -> Record:
    if params.get("charge"):
        return world.get(params["charge"], "charge", param="charge", status=404)
    if not params.get("payment_intent"):
        raise StripeError(
            400, "One of the following params should be provided for this request: payment_intent"
            " or charge.", code="parameter_missing",
        )  # fmt: skip
    intent = world.get(params["payment_intent"], "payment_intent", param="payment_intent")
    if intent.body["status"] != "succeeded":
        raise StripeError(
            400, f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state", param="payment_intent",
        )  # fmt: skip
    return world.get(intent.facts["charge"], "charge")


def _check_reason(params: Json) -> None:
    if params.get("reason") not in (None, *_REASONS):
        raise StripeError(
            400, f"Invalid reason: must be one of {', '.join(_REASONS)}", param="reason"
        )


def _amount(charge: Record, params: Json) -> int:
    if charge.body["status"] != "succeeded" or not charge.body["captured"]:
        raise StripeError(400, f"Charge {charge.id} has not been captured.", param="charge")
    if charge.body["disputed"]:
        raise StripeError(
            400, f"Charge {charge.id} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )  # fmt: skip
    left: int = charge.body["amount_captured"] - charge.facts["refunded"]
    if left == 0:
        raise StripeError(
            400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded"
        )
    amount: int = params.get("amount", left)
    if amount < 1:
        raise StripeError(
            400, "Invalid positive integer", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        raise StripeError(
            400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )  # fmt: skip
    return amount


def _card_refund(world: World, charge: Record) -> str:
    return methods.card_of(world.get(charge.body["payment_method"], "payment_method")).refund


def _count(world: World, charge: Record, amount: int) -> None:
    """A failed refund is counted back with a negative amount."""
    charge.facts["refunded"] += amount
    refunded = charge.body["amount_refunded"] + amount
    touch(world, charge, amount_refunded=refunded, refunded=refunded == charge.body["amount"])


def _pay_back(world: World, refund: Record) -> None:
    body = refund.body
    transaction = charges.balance(
        world, kind="refund", source=refund.id, currency=body["currency"],
        amount=-body["amount"], fee=0, available_on=world.now(), category="refund",
        description="REFUND FOR CHARGE",
    )  # fmt: skip
    touch(world, refund, status="succeeded", balance_transaction=transaction.id)


def succeed(world: World, refund: Record) -> None:
    """A pending refund went through."""
    if refund.body["status"] == "pending":
        _pay_back(world, refund)
        _publish(world, refund, "refund.updated", {"status": "pending"})


def fail(world: World, refund: Record) -> None:
    """The bank sent the money back: it returns to the balance, and the refund ends failed."""
    before = refund.body["status"]
    if before not in ("pending", "succeeded"):
        return
    changes: Json = {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    if before == "succeeded":
        transaction = charges.balance(
            world, kind="refund_failure", source=refund.id, currency=refund.body["currency"],
            amount=refund.body["amount"], fee=0, available_on=world.now(),
            category="refund_failure", description="REFUND FAILURE",
        )  # fmt: skip
        changes["failure_balance_transaction"] = transaction.id
    touch(world, refund, **changes)
    _count(world, world.get(refund.body["charge"], "charge"), -refund.body["amount"])
    _publish(world, refund, "refund.updated", {"status": before})
    world.emit("refund.failed", refund.body)


def _publish(world: World, refund: Record, kind: str, previous: Json) -> None:
    world.emit(kind, refund.body, previous)
    world.emit("charge.refund.updated", refund.body, previous)


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "refund", param="refund").body
