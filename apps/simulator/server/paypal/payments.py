"""What becomes of an authorization: captured, voided or lapsed; and refunds of a capture."""

from decimal import Decimal

from ..store import Record
from ..wire import Call
from ..world import World
from . import disputes, news, objects, reports
from .errors import PayPalError
from .money import amount, fee_of, read
from .objects import AUTHORIZATION, CAPTURE, REFUND, find, touch
from .orders import payer_of
from .payers import Payer

_RETURNED = ("PENDING", "COMPLETED")


def authorization(world: World, call: Call) -> Record:
    return find(world, call.object_id, AUTHORIZATION)


def capture_of(world: World, call: Call) -> Record:
    return find(world, call.object_id, CAPTURE)


def refund_of(world: World, call: Call) -> Record:
    return find(world, call.object_id, REFUND)


# --- authorizations -------------------------------------------------------------------------------


def capture(world: World, call: Call) -> Record:
    held = find(world, call.object_id, AUTHORIZATION)
    _check_capturable(world, held)
    currency = held.body["amount"]["currency_code"]
    wanted = call.params.get("amount") or held.body["amount"]
    value = read(wanted, "/amount")
    if wanted["currency_code"] != currency:
        raise PayPalError("AUTH_CAPTURE_CURRENCY_MISMATCH")
    if value > amount(held.body["amount"]) - _captured(world, held):
        raise PayPalError("MAX_CAPTURE_AMOUNT_EXCEEDED")
    order_id, payer = held.facts["links"]["payment_intent"], _payer(world, held)
    final = bool(call.params.get("final_capture", False))
    body = objects.capture(world, held, payer.capture, value, fee_of(value, currency), final=final)
    links = {"payment_intent": order_id, "payment": held.facts["links"]["payment"]}
    made = objects.add(world, CAPTURE, body, links=links)
    if payer.capture == "DECLINED":
        news.emit(world, "PAYMENT.CAPTURE.DECLINED", made.body)
        return made
    touch(world, held, status="CAPTURED" if final else "PARTIALLY_CAPTURED")
    if payer.capture == "PENDING":
        news.emit(world, "PAYMENT.CAPTURE.PENDING", made.body)
        world.later("paypal_capture_completes", made.id)
    else:
        _received(world, made)
    return made


def _check_capturable(world: World, held: Record) -> None:
    if held.body["status"] in ("CREATED", "PARTIALLY_CAPTURED") and _has_lapsed(world, held):
        expire(world, held)
    status = held.body["status"]
    if status == "CAPTURED":
        raise PayPalError("AUTHORIZATION_ALREADY_CAPTURED")
    if status == "VOIDED":
        lapsed = _has_lapsed(world, held)
        raise PayPalError("AUTHORIZATION_EXPIRED" if lapsed else "AUTHORIZATION_VOIDED")
    if status in ("DENIED", "PENDING"):
        raise PayPalError("AUTHORIZATION_DENIED")


def _has_lapsed(world: World, held: Record) -> bool:
    return objects.seconds(held.body["expiration_time"]) <= world.now()


def _captured(world: World, held: Record) -> Decimal:
    made = world.store.select(
        CAPTURE, "payment_intent = ?", (held.facts["links"]["payment_intent"],)
    )
    return sum(
        (amount(each.body["amount"]) for each in made if each.body["status"] != "DECLINED"),
        Decimal(0),
    )


def _payer(world: World, part: Record) -> Payer:
    return payer_of(world, part.facts["links"]["payment_intent"])


def complete(world: World, made: Record) -> None:
    """A pending capture went through."""
    if made.body["status"] == "PENDING":
        del made.body["status_details"]
        touch(world, made, status="COMPLETED")
        _received(world, made)


def _received(world: World, made: Record) -> None:
    """The money is on our account: with its line in the statement."""
    breakdown = made.body["seller_receivable_breakdown"]
    related = made.body["supplementary_data"]["related_ids"]
    reports.add(
        world, "T0006", made.id, amount(breakdown["gross_amount"]),
        made.body["amount"]["currency_code"], fee=amount(breakdown["paypal_fee"]),
        about=related["authorization_id"], named=made.body,
    )  # fmt: skip
    news.emit(world, "PAYMENT.CAPTURE.COMPLETED", made.body)
    reason = _payer(world, made).dispute
    if reason:
        disputes.open_dispute(world, made, reason)


def void(world: World, call: Call) -> Record:
    held = find(world, call.object_id, AUTHORIZATION)
    if held.body["status"] in ("CAPTURED", "PARTIALLY_CAPTURED"):
        raise PayPalError("PREVIOUSLY_CAPTURED")
    if held.body["status"] == "VOIDED":
        raise PayPalError("PREVIOUSLY_VOIDED")
    touch(world, held, status="VOIDED")
    news.emit(world, "PAYMENT.AUTHORIZATION.VOIDED", held.body)
    return held


def expire(world: World, held: Record) -> None:
    """What PayPal does by itself after 29 days; earlier only when a test says so."""
    if held.body["status"] in ("CREATED", "PARTIALLY_CAPTURED", "PENDING"):
        now = objects.time(world.now())
        lapses = min(held.body["expiration_time"], now)
        touch(world, held, status="VOIDED", expiration_time=lapses)
        news.emit(world, "PAYMENT.AUTHORIZATION.VOIDED", held.body)


# --- refunds --------------------------------------------------------------------------------------


def refund(world: World, call: Call) -> Record:
    made = find(world, call.object_id, CAPTURE)
    if made.body["status"] == "PENDING":
        raise PayPalError("PENDING_CAPTURE")
    if made.facts.get("is_disputed"):
        raise PayPalError("TRANSACTION_DISPUTED")
    before = _returned(world, made)
    left = amount(made.body["amount"]) - before
    if left <= 0:
        raise PayPalError("CAPTURE_FULLY_REFUNDED")
    currency = made.body["amount"]["currency_code"]
    wanted = call.params.get("amount")
    value = read(wanted, "/amount") if wanted else left
    if wanted and wanted["currency_code"] != currency:
        raise PayPalError("REFUND_CAPTURE_CURRENCY_MISMATCH")
    if value > left:
        raise PayPalError("REFUND_AMOUNT_EXCEEDED")
    how = _payer(world, made).refund
    status = "PENDING" if how == "pending_first" else "COMPLETED"
    body = objects.refund(world, made, status, value, total=before + value, told=call.params)
    links = {**made.facts["links"], "charge": made.id}
    given = objects.add(world, REFUND, body, links=links)
    _count(world, made)
    if status == "PENDING":
        world.later("paypal_refund_completes", given.id)
        news.emit(world, "PAYMENT.REFUND.PENDING", given.body)
    else:
        _paid_back(world, given)
    if how == "fails_later":
        world.later("paypal_refund_fails", given.id)
    return given


def _returned(world: World, made: Record) -> Decimal:
    given = world.store.select(REFUND, "charge = ?", (made.id,))
    return sum(
        (amount(each.body["amount"]) for each in given if each.body["status"] in _RETURNED),
        Decimal(0),
    )


def _count(world: World, made: Record) -> None:
    """The capture says how much of it went back."""
    returned, whole = _returned(world, made), amount(made.body["amount"])
    status = "PARTIALLY_REFUNDED" if returned < whole else "REFUNDED"
    touch(world, made, status=status if returned else "COMPLETED")


def _paid_back(world: World, given: Record) -> None:
    reports.add(
        world, "T1107", given.id, -amount(given.body["amount"]),
        given.body["amount"]["currency_code"], about=given.facts["links"]["charge"],
        named=given.body,
    )  # fmt: skip
    news.emit(world, "PAYMENT.CAPTURE.REFUNDED", given.body)
    made = find(world, given.facts["links"]["charge"], CAPTURE)
    if made.body["status"] == "REFUNDED":
        disputes.close_by_refund(world, made, made.body["amount"])


def complete_refund(world: World, given: Record) -> None:
    if given.body["status"] == "PENDING":
        touch(world, given, status="COMPLETED")
        _paid_back(world, given)


def fail_refund(world: World, given: Record) -> None:
    """The bank sent the money back: it returns to the balance, and the refund ends failed."""
    before = given.body["status"]
    if before not in _RETURNED:
        return
    if before == "COMPLETED":
        reports.add(
            world, "T1115", objects.new_id(), amount(given.body["amount"]),
            given.body["amount"]["currency_code"], about=given.facts["links"]["charge"],
            named=given.body,
        )  # fmt: skip
    touch(world, given, status="FAILED", status_details={"reason": "ECHECK"})
    _count(world, find(world, given.facts["links"]["charge"], CAPTURE))
    news.emit(world, "PAYMENT.REFUND.FAILED", given.body)
