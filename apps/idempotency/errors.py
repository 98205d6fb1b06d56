"""What is wrong with a key, or with when it came."""

from apps.core.errors import Conflict, InvalidRequest, Unprocessable


class KeyRequired(InvalidRequest):
    """This request moves money, so it must say which one it is."""

    code = "idempotency_key_missing"
    says = "Send an Idempotency-Key header: a value of your own, a new one for each operation."


class KeyMalformed(InvalidRequest):
    """Too long, empty, or with characters outside printable ASCII."""

    code = "idempotency_key_invalid"
    says = "An Idempotency-Key is 1 to 255 printable ASCII characters."


class KeyReused(Unprocessable):
    """The key belongs to another request. Not a 409: SDKs send those again."""

    code = "idempotency_key_reused"
    type = "idempotency_error"
    says = "This Idempotency-Key was used with another method, path or body."


class InFlight(Conflict):
    """The first request with this key is still being answered."""

    code = "idempotency_key_in_use"
    type = "idempotency_error"
    says = "A request with this Idempotency-Key is being answered. Try again in a second."
    retry_after = 1


class Busy(Conflict):
    """Others changed the same objects again and again; nothing was done."""

    code = "lock_timeout"
    says = "The object is being changed by other requests. Try again in a second."
    retry_after = 1
