"""Every error leaves as the same JSON body, whoever raised it: a service, DRF, Django, a driver."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response

from apps.core import db, errors, ids
from apps.core.errors import DomainError

DOC_URL = "/docs#errors"

log = structlog.get_logger(__name__)


def request_id_of(request: Any) -> str:
    """The `req_…` id of a Django or DRF request: the middleware's, or a new one without it."""
    return getattr(request, "request_id", None) or ids.encode("req", ids.new_id())


def error_body(error: DomainError, request_id: str) -> dict[str, Any]:
    """The body of an error, every key always present; `extra` facts follow the fixed ones."""
    return {
        "error": {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "decline_code": error.decline_code,
            "request_id": request_id,
            "doc_url": DOC_URL,
            **error.extra,
        }
    }


def error_headers(error: DomainError) -> dict[str, str]:
    """The headers an error's answer carries besides its body."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: the answer to a view's exception, or None for a bug (Django's 500 follows)."""
    error = refusal(exc)
    if error is None:
        return None
    headers = error_headers(error)
    if isinstance(exc, drf.MethodNotAllowed):
        view = context.get("view")
        headers["Allow"] = ", ".join(view.allowed_methods) if view else ""
    body = error_body(error, request_id_of(context.get("request")))
    return Response(body, status=error.status, headers=headers)


def refusal(exc: BaseException) -> DomainError | None:
    """The `DomainError` that an exception means to the caller, or None if it is a bug of ours."""
    if isinstance(exc, DomainError):
        return exc
    if db.is_away(exc):
        db.let_go(exc)
        # The driver's words name hosts and roles: to the log with them.
        log.error("database.unavailable", error=type(exc).__name__, reason=str(exc))
        return errors.Unavailable()
    if isinstance(exc, drf.ValidationError):
        return _invalid(exc.detail)
    if isinstance(exc, drf.Throttled):
        limited = errors.RateLimited()
        limited.retry_after = max(1, getattr(exc, "wait", None) or 1)
        return limited
    for family, meaning in _MEANINGS:
        if isinstance(exc, family):
            return meaning
    return None


_MEANINGS: tuple[tuple[type[Exception], DomainError], ...] = (
    (Http404, errors.NotFound("No such address.")),
    (drf.NotFound, errors.NotFound()),
    (DjangoPermissionDenied, errors.PermissionDenied()),
    (drf.PermissionDenied, errors.PermissionDenied()),
    (drf.NotAuthenticated, errors.AuthenticationFailed()),
    (drf.AuthenticationFailed, errors.AuthenticationFailed()),
    (drf.MethodNotAllowed, errors.MethodNotAllowed()),
    (drf.NotAcceptable, errors.NotAcceptable()),
    (drf.UnsupportedMediaType, errors.UnsupportedMediaType()),
    (drf.ParseError, errors.InvalidRequest("The body could not be read.")),
)


def _invalid(detail: Any) -> errors.InvalidRequest:
    """The first complaint of a serializer, with the path of its field as `param`."""
    path, message = next(_complaints(detail, ""), ("", "The request is not valid."))
    return errors.InvalidRequest(f"{path}: {message}" if path else message, param=path or None)


def _complaints(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _complaints(inner, f"{path}[{name}]" if path and name else path or name)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _complaints(inner, f"{path}[{index}]" if nested else path)
    else:
        yield path, str(detail)


# --- what Django answers itself: unknown addresses, bad hosts, bugs (handlers of paysys/urls.py)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a suspicious request, such as one for a host that is not ours."""
    if _is_page(request):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return json_error(request, errors.BodyTooLarge("The body is too large."))
    return json_error(request, errors.InvalidRequest("The request could not be understood."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    if _is_page(request):
        return defaults.permission_denied(request, exception)
    return json_error(request, errors.PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    if _is_page(request):
        return defaults.page_not_found(request, exception)
    return json_error(request, errors.NotFound("No such address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: a bug, already logged with its trace; or the database away outside of a view."""
    if _is_page(request):
        return defaults.server_error(request)
    exception = sys.exc_info()[1]
    if exception is not None and db.is_away(exception):
        db.let_go(exception)
        return json_error(request, errors.Unavailable())
    return json_error(request, errors.InternalError())


def json_error(request: HttpRequest, error: DomainError) -> JsonResponse:
    """The answer to an error outside of DRF, in the same form."""
    body = error_body(error, request_id_of(request))
    return JsonResponse(body, status=error.status, headers=error_headers(error))


def _is_page(request: HttpRequest) -> bool:
    """Whether a person reads the answer: everything else speaks JSON, errors included."""
    return request.path_info.startswith(tuple(settings.PAYSYS_PAGES))
