"""The errors that are answers: the business said no.

A `DomainError` carries what the merchant reads (`code`, `message`, `param`) and the HTTP status it
becomes. Whoever catches one undoes its own work and answers; nobody is alerted. Every other
exception is a bug or an unknown: it is retried and looked at, and never undone.

Errors live beside the function that raises them and inherit one of the families below. The `type`
of an error follows from its status (`TYPES`), unless its class names another.
"""

from __future__ import annotations

from typing import Any, ClassVar

# The one table of error types by HTTP status; docs/api.md lists the codes.
TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "card_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    406: "invalid_request_error",
    409: "conflict_error",
    411: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "provider_error",
    503: "api_error",
}


def type_of(status: int) -> str:
    """The error type of an HTTP status: of its own row in `TYPES`, else of its hundred."""
    return TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


class DomainError(Exception):
    """The base of every refusal.

    `extra` holds further facts of the answer, merged into the error body as they are: JSON values
    only, amounts in minor units (`remaining=2500`). `retry_after` (seconds) becomes the header.
    """

    code: ClassVar[str] = "conflict"
    status: ClassVar[int] = 409
    type: ClassVar[str] = TYPES[409]
    says: ClassVar[str] = ""
    retry_after: int | None = None

    def __init__(
        self,
        message: str = "",
        *,
        param: str | None = None,
        decline_code: str | None = None,
        **extra: Any,
    ) -> None:
        self.message = message or self.says or self.code.replace("_", " ").capitalize() + "."
        self.param = param
        self.decline_code = decline_code
        self.extra = extra
        super().__init__(self.message)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "status" in cls.__dict__ and "type" not in cls.__dict__:
            cls.type = type_of(cls.status)


class InvalidRequest(DomainError):
    """400: the request itself is wrong; sending it again will not help."""

    code = "parameter_invalid"
    status = 400


class AuthenticationFailed(DomainError):
    """401: no key, or not one we know."""

    code = "api_key_invalid"
    status = 401
    says = "No valid API key was given."


class CardError(DomainError):
    """402: the provider, or whoever holds the money, declined."""

    code = "card_declined"
    status = 402


class PermissionDenied(DomainError):
    """403: a valid key that may not do this."""

    code = "permission_denied"
    status = 403
    says = "This key may not do that."


class NotFound(DomainError):
    """404: no such object, or another merchant's, which is the same answer."""

    code = "resource_missing"
    status = 404
    says = "No such object."


class Conflict(DomainError):
    """409: the object's state does not allow it now."""

    code = "state_conflict"
    status = 409


class Unprocessable(DomainError):
    """422: a well-formed request that a rule refuses."""

    code = "unprocessable"
    status = 422


class MethodNotAllowed(DomainError):
    """405: the address exists, the method does not."""

    code = "method_not_allowed"
    status = 405
    says = "This method is not allowed here."


class NotAcceptable(DomainError):
    """406: an answer is wanted in a form we do not have."""

    code = "not_acceptable"
    status = 406
    says = "Answers are application/json."


class LengthRequired(DomainError):
    """411: a body of unannounced length, which could be mistaken for none."""

    code = "length_required"
    status = 411
    says = "Send the body with a Content-Length."


class BodyTooLarge(DomainError):
    """413: a body above the limit; it was not read."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(DomainError):
    """415: a body that is not JSON."""

    code = "media_type_unsupported"
    status = 415
    says = "Send the body as application/json."


class CardDataNotAllowed(Unprocessable):
    """422: a card number, which may never enter; nothing of the request was kept."""

    code = "card_data_not_allowed"
    says = (
        "The request holds what looks like a card number. It was not stored. "
        "Send the provider's token of the card instead."
    )


class RateLimited(DomainError):
    """429: too many requests with this key; try again after `Retry-After` seconds."""

    code = "rate_limited"
    status = 429
    says = "Too many requests."
    retry_after = 1


class InternalError(DomainError):
    """500: our mistake. Whether anything was done is to be asked by id or idempotency key."""

    code = "internal_error"
    status = 500
    says = "Something went wrong on our side."


class Unavailable(DomainError):
    """503: the database is away. Repeat the request with the same idempotency key."""

    code = "unavailable"
    status = 503
    says = "Temporarily unavailable. Repeat the request, with the same Idempotency-Key."
    retry_after = 1
