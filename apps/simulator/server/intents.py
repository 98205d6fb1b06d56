"""Payment intents: create, confirm, 3-D Secure, capture, cancel, expire."""

from . import charges, debits, methods, objects
from .cards import Card
from .store import Record
from .wire import Call, Json, StripeError
from .world import World, touch

_CURRENCIES_MINIMUM = {"jpy": 50, "krw": 50, "huf": 17_500, "czk": 1_500, "mxn": 1_000}
_MINIMUM = 50
_MAXIMUM = 99_999_999
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = (
    "requires_payment_method", "requires_capture", "requires_confirmation", "requires_action",
    "processing",
)  # fmt: skip
_METHODS = ("automatic", "automatic_async", "manual")


def create(world: World, call: Call) -> Json:
    params = call.params
    _check_amount(params["amount"], params["currency"])
    if params.get("capture_method", "manual") not in _METHODS:
        raise StripeError(
            400, f"Invalid capture_method: must be one of {', '.join(_METHODS)}",
            param="capture_method",
        )  # fmt: skip
    allowed = params.get("allowed_payment_method_types")
    if allowed and "card" not in allowed:
        raise StripeError(
            400, "None of the allowed payment method types is one that this account has: card.",
            param="allowed_payment_method_types",
        )  # fmt: skip
    if params.get("statement_descriptor"):
        raise StripeError(
            400, "For card charges `statement_descriptor` cannot be set; use"
            " `statement_descriptor_suffix`.", param="statement_descriptor",
        )  # fmt: skip
    if params.get("customer"):
        world.get(params["customer"], "customer", param="customer", status=400)
    for name in ("return_url", "off_session", "error_on_requires_action"):
        if name in params and not params.get("confirm"):
            raise StripeError(400, f"`{name}` can only be used with `confirm: true`.", param=name)
    body = objects.payment_intent(objects.new_id("pi"), world.now(), params)
    intent = world.add("payment_intent", body)
    if params.get("payment_method"):
        method = methods.usable(world, params["payment_method"], body["customer"])
        touch(world, intent, payment_method=method.id, status="requires_confirmation")
    world.emit("payment_intent.created", intent.body)
    return _confirm(world, intent, params) if params.get("confirm") else intent.body


def _check_amount(amount: int, currency: str) -> None:
    if len(currency) != 3 or not currency.isalpha() or currency != currency.lower():
        raise StripeError(
            400, f"Invalid currency: {currency}. Supported currencies: usd, eur, …",
            param="currency",
        )  # fmt: skip
    if amount < 1:
        raise StripeError(
            400, "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer", param="amount",
        )  # fmt: skip
    least = _CURRENCIES_MINIMUM.get(currency, _MINIMUM)
    if amount < least:
        raise StripeError(
            400, f"Amount must be at least {least} minor units {currency}",
            code="amount_too_small", param="amount",
        )  # fmt: skip
    if amount > _MAXIMUM:
        raise StripeError(
            400, "Amount must be no more than 999,999.99", code="amount_too_large", param="amount"
        )


def retrieve(world: World, call: Call) -> Json:
    return find(world, call.object_id).body


def find(world: World, object_id: str) -> Record:
    return world.get(object_id, "payment_intent", param="intent")


def update(world: World, call: Call) -> Json:
    """Metadata at any time; amount, description and payment method until it is confirmed."""
    intent, params = find(world, call.object_id), call.params
    body, changes = intent.body, set(params) - {"metadata", "expand"}
    if changes and body["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise unexpected(
            intent,
            "This PaymentIntent's parameters could not be updated because it has a status of"
            f" {body['status']}.",
        )
    if "amount" in params or "currency" in params:
        wanted = {name: params.get(name) or body[name] for name in ("amount", "currency")}
        _check_amount(wanted["amount"], wanted["currency"])
        body |= wanted
    if params.get("payment_method"):
        method = methods.usable(world, params["payment_method"], body["customer"])
        body |= {"payment_method": method.id, "status": "requires_confirmation"}
    if "description" in params:
        body["description"] = params["description"]
    return touch(
        world, intent, metadata=objects.metadata(body["metadata"], params.get("metadata"))
    ).body


def confirm(world: World, call: Call) -> Json:
    return _confirm(world, find(world, call.object_id), call.params)


def _confirm(world: World, intent: Record, params: Json) -> Json:
    _check_return_url(intent, params)
    status = intent.body["status"]
    if status not in _CONFIRMABLE:
        reason = "it has already succeeded after being previously confirmed"
        if status == "requires_capture":
            reason = "it has already been authorized"
        if status == "canceled":
            reason = "it has a status of canceled"
        raise unexpected(intent, f"You cannot confirm this PaymentIntent because {reason}.")
    given = params.get("payment_method")
    if given and given != intent.body["payment_method"]:
        method = methods.usable(world, given, intent.body["customer"], is_used=True)
    elif intent.body["payment_method"]:
        method = world.get(intent.body["payment_method"], "payment_method")
        methods.use(world, method)
    else:
        raise unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can"
            " either update the PaymentIntent with a payment method and then confirm it again, or"
            " confirm it again directly with a payment method or ConfirmationToken.",
        )
    intent.body |= {"payment_method": method.id, "last_payment_error": None, "next_action": None}
    card = methods.card_of(method)
    if card.bank:
        return debits.attempt(world, intent, method, card, params)
    options = intent.body["payment_method_options"]["card"]
    given_options = (params.get("payment_method_options") or {}).get("card") or {}
    asked = given_options.get("request_three_d_secure", options["request_three_d_secure"])
    options["request_three_d_secure"] = asked
    if card.three_d_secure == "required" or (
        card.three_d_secure == "optional" and asked in ("any", "challenge")
    ):
        return _ask_the_customer(world, intent, card, method, params)
    return charges.attempt(world, intent, method, card, challenged=False)


def _check_return_url(intent: Record, params: Json) -> None:
    """Unless the allowed types say otherwise Stripe may redirect, and wants a way back."""
    automatic = intent.body["automatic_payment_methods"]
    target = params.get("return_url")
    if target is not None and not target.startswith(("https://", "http://")):
        raise StripeError(400, "Not a valid URL", code="url_invalid", param="return_url")
    if (
        automatic
        and automatic.get("enabled")
        and automatic.get("allow_redirects", "always") == "always"
        and not target
    ):
        raise StripeError(
            400,
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard."
            " Because some of these payment methods might redirect your customer off of your page,"
            " you must provide a `return_url`. If you don't want to accept redirect-based payment"
            " methods, set `automatic_payment_methods[enabled]` to `true` and"
            " `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents"
            " and Payment Intents.",
        )


def _ask_the_customer(
    world: World, intent: Record, card: Card, method: Record, params: Json
) -> Json:
    if params.get("off_session") or params.get("error_on_requires_action"):
        return charges.fail(world, intent, method, card, charges.NEEDS_AUTHENTICATION)
    page = f"{world.config.base_url}/_sim/3ds/{intent.id}"
    if params.get("return_url"):
        action = {
            "redirect_to_url": {"return_url": params["return_url"], "url": page},
            "type": "redirect_to_url",
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"stripe_js": page, "type": "three_d_secure_redirect"},
        }
    intent.facts["return_url"] = params.get("return_url")
    touch(world, intent, status="requires_action", next_action=action)
    world.emit("payment_intent.requires_action", intent.body)
    return intent.body


def authenticate(world: World, intent: Record, *, passed: bool) -> Json:
    """The customer came back from 3-D Secure. A failed challenge asks for another card."""
    if intent.body["status"] != "requires_action":
        raise unexpected(intent, "This PaymentIntent does not wait for authentication.")
    method = world.get(intent.body["payment_method"], "payment_method")
    touch(world, intent, next_action=None)
    if passed:
        return charges.attempt(world, intent, method, methods.card_of(method), challenged=True)
    error = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide"
        " payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent"
        " again.",
        "payment_method": method.body,
        "type": "invalid_request_error",
    }
    touch(
        world, intent, status="requires_payment_method", payment_method=None,
        last_payment_error=error,
    )  # fmt: skip
    world.emit("payment_intent.payment_failed", intent.body)
    return intent.body


def capture(world: World, call: Call) -> Json:
    intent, params = find(world, call.object_id), call.params
    status = intent.body["status"]
    if status == "succeeded":
        raise unexpected(
            intent,
            "This PaymentIntent could not be captured because it has already been captured.",
        )
    if status != "requires_capture":
        raise unexpected(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {status}. Only a"
            " PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    if intent.facts["capture_before"] <= world.now():
        expire(world, intent)
        raise StripeError(
            400, "This PaymentIntent could not be captured because its authorization has expired.",
            code="charge_expired_for_capture", payment_intent=intent.body, keeps_effect=True,
        )  # fmt: skip
    wanted = params.get("amount_to_capture")
    amount: int = intent.body["amount_capturable"] if wanted is None else wanted
    if amount < 1:
        raise StripeError(
            400, "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer", param="amount_to_capture",
        )  # fmt: skip
    if amount > intent.body["amount_capturable"]:
        raise StripeError(
            400, "The amount to capture is greater than the amount you can capture.",
            code="amount_too_large", param="amount_to_capture", payment_intent=intent.body,
        )  # fmt: skip
    intent.body["metadata"] = objects.metadata(intent.body["metadata"], params.get("metadata"))
    charges.capture(world, intent, amount)
    return intent.body


def cancel(world: World, call: Call) -> Json:
    intent = find(world, call.object_id)
    status = intent.body["status"]
    if status not in _CANCELABLE:
        raise unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {status}. Only a"
            " PaymentIntent with one of the following statuses may be canceled:"
            f" {', '.join(_CANCELABLE)}.",
        )
    return _close(world, intent, call.params.get("cancellation_reason"))


def expire(world: World, intent: Record) -> Json:
    """The issuer lets go of the authorization: what Stripe does by itself after seven days."""
    if intent.body["status"] != "requires_capture":
        raise unexpected(intent, "Only an authorized PaymentIntent expires.")
    return _close(world, intent, "automatic", is_expiry=True)


def _close(world: World, intent: Record, reason: str | None, *, is_expiry: bool = False) -> Json:
    if intent.body["status"] == "requires_capture":
        charges.release(world, intent, is_expiry=is_expiry)
    touch(
        world, intent, status="canceled", canceled_at=world.now(), cancellation_reason=reason,
        amount_capturable=0, next_action=None,
    )  # fmt: skip
    world.emit("payment_intent.canceled", intent.body)
    return intent.body


def unexpected(intent: Record, message: str) -> StripeError:
    return StripeError(
        400, message, code="payment_intent_unexpected_state", payment_intent=intent.body
    )
