"""The door: every request of PayPal's interface passes token, fault, shape and key.

A `PayPal-Request-Id` is remembered with what was done under it, and not with what was answered: the
same key again is told how that stands now. An error is not remembered: the next request is a new
attempt. While the first request of a key still runs: 409 `PREVIOUS_REQUEST_IN_PROGRESS`.
"""

import base64
import binascii
import json
import secrets
from typing import Any
from urllib.parse import parse_qsl

from .. import multipart
from ..faults import AFTER, BEFORE, Fault, Faults, cut_off
from ..store import Record
from ..wire import Call, Json, Reply, dumps
from ..world import World
from . import news, objects, page, routes, shapes
from .errors import PayPalError
from .routes import Route

CLIENT_ID, CLIENT_SECRET = "simulator_client", "simulator_secret"
TOKEN_LIVES_SECONDS = 9 * 3600
_TOKEN = "paypal_token"  # noqa: S105
_KEY_LENGTH = 108
_DOCUMENTS = ("application/pdf", "image/gif", "image/jpeg", "image/png")
_DOCUMENT_BYTES = 10 * 1024 * 1024  # each is smaller
_MINIMAL = ("id", "status", "links")
_REFUSALS = {
    "rate_limit": "RATE_LIMIT_REACHED",
    "lock_timeout": "PREVIOUS_REQUEST_IN_PROGRESS",
    "unavailable": "SERVICE_UNAVAILABLE",
}


class Engine:
    """Answers calls of `/paypal/…`. Safe for many threads."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    def answer(self, call: Call) -> Reply:
        """Never raises: every error is an answer in PayPal's shape, or a broken connection."""
        call.path = call.path.removeprefix("/paypal")
        call.request_id = secrets.token_hex(7)
        try:
            reply = self._answer(call)
        except PayPalError as error:
            reply = _error(call, error)
        reply.headers.setdefault("Paypal-Debug-Id", call.request_id)
        return reply

    def _answer(self, call: Call) -> Reply:
        if call.path == "/checkoutnow":
            return page.answer(self.world, call)
        if (call.method, call.path) == ("POST", "/v1/oauth2/token"):
            return self._faulty("paypal_token", call) or self._token(call)
        self._authenticate(call)
        if (call.method, call.path) == ("POST", "/v1/notifications/verify-webhook-signature"):
            return self._faulty("paypal_verify", call) or self._verify(call)
        found = routes.find(call.method, call.path)
        if found is None:
            raise PayPalError("INVALID_RESOURCE_ID")
        route, call.object_id = found
        call.op = route.op
        fault = self.faults.pick(call.op, call.headers.get("paysys-fault"))
        if fault is not None and fault.kind in BEFORE:
            return self._refused(call, fault)
        call.params = _read_parts(call, route) if route.files else _read(call)
        shapes.check(route.shape, call.params)
        _mock(call)
        return self._serve(call, route, fault)

    # --- with and without a key

    def _serve(self, call: Call, route: Route, fault: Fault | None) -> Reply:
        key = call.headers.get("paypal-request-id") if route.key_lives else None
        if key is not None and not 1 <= len(key) <= _KEY_LENGTH:
            raise PayPalError("INVALID_PARAMETER_VALUE", field="PayPal-Request-Id")
        name = f"{route.op} {key}" if key else None
        with self.world.claim(name, PayPalError("PREVIOUS_REQUEST_IN_PROGRESS")):
            if fault is not None and fault.kind == "slow":
                self.world.stopping.wait((fault.amount or 1_000.0) / 1_000)
            with self.world.store.unit():
                reply = self._execute(call, route, fault, name)
        if call.method == "POST":
            self.world.has_news.set()
        if fault is not None and fault.kind in AFTER:
            return cut_off(reply, fault, self.world.config.hold_seconds)
        return reply

    def _execute(self, call: Call, route: Route, fault: Fault | None, name: str | None) -> Reply:
        if fault is not None and fault.kind == "error_before":
            return _error(call, PayPalError("INTERNAL_SERVER_ERROR"))
        record = self._known(route, name) if name else None
        status = 200 if record is not None else route.status
        found: Record | Json = record if record is not None else self._run(call, route)
        if isinstance(found, Record) and name and record is None:
            self.world.store.write(
                "INSERT OR REPLACE INTO paypal_key VALUES (?, ?, ?)",
                (name, self.world.now(), found.id),
            )
        if fault is not None and fault.kind == "error_after":
            return _error(call, PayPalError("INTERNAL_SERVER_ERROR"))
        return Reply(status, dumps(self._shown(call, found)).encode())

    def _run(self, call: Call, route: Route) -> Record | Json:
        with self.world.store.attempt():
            return route.run(self.world, call)

    def _known(self, route: Route, name: str) -> Record | None:
        """What was done under this key, as it is now; a key is forgotten after its time."""
        found = self.world.store.rows(
            "SELECT object FROM paypal_key WHERE name = ? AND created > ?",
            (name, self.world.now() - route.key_lives),
        )
        return objects.find(self.world, found[0][0], route.kind) if found else None

    def _shown(self, call: Call, found: Record | Json) -> Json:
        if not isinstance(found, Record):
            return found
        body = routes.shown(self.world, found)
        is_whole = call.headers.get("prefer", "") == "return=representation"
        if is_whole or call.method == "GET":
            return body
        return {name: body[name] for name in _MINIMAL if name in body}

    # --- who is asking

    def _token(self, call: Call) -> Reply:
        if not _is_ours(call.headers.get("authorization", "")):
            return _plain(401, {"error": "invalid_client",
                                "error_description": "Client Authentication failed"})  # fmt: skip
        if dict(parse_qsl(call.body.decode())).get("grant_type") != "client_credentials":
            return _plain(400, {"error": "unsupported_grant_type"})
        token = f"A21AA{secrets.token_urlsafe(48)}"
        with self.world.store.unit():
            objects.add(self.world, _TOKEN, {"id": token}, links={})
        return _plain(200, {
            "scope": "https://uri.paypal.com/services/payments", "access_token": token,
            "token_type": "Bearer", "app_id": "APP-SIMULATOR", "expires_in": TOKEN_LIVES_SECONDS,
        })  # fmt: skip

    def _authenticate(self, call: Call) -> None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        with self.world.store.unit():
            known = self.world.store.find(token, _TOKEN) if scheme == "Bearer" else None
        if known is None or known.created + TOKEN_LIVES_SECONDS <= self.world.now():
            raise PayPalError("AUTHENTICATION_FAILURE")

    # --- is it genuine

    def _verify(self, call: Call) -> Reply:
        given = _read(call)
        shapes.check(shapes.VERIFY, given)
        is_genuine = news.is_genuine(given, call.body)
        return _plain(200, {"verification_status": "SUCCESS" if is_genuine else "FAILURE"})

    # --- faults

    def _faulty(self, op: str, call: Call) -> Reply | None:
        """The fault of an operation that has no effect of its own."""
        fault = self.faults.pick(op, call.headers.get("paysys-fault"))
        if fault is None:
            return None
        if fault.kind == "slow":
            self.world.stopping.wait((fault.amount or 1_000.0) / 1_000)
            return None
        if fault.kind.startswith("error"):
            return _error(call, PayPalError("INTERNAL_SERVER_ERROR"))
        return self._refused(call, fault)

    def _refused(self, call: Call, fault: Fault) -> Reply:
        issue = _REFUSALS.get(fault.kind)
        if issue:
            return _error(call, PayPalError(issue))
        return cut_off(Reply(0, b""), fault, self.world.config.hold_seconds)


def _is_ours(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme == "Basic" and given == f"{CLIENT_ID}:{CLIENT_SECRET}"


def _read(call: Call) -> Json:
    if call.method == "GET":
        return dict(parse_qsl(call.query, keep_blank_values=True))
    if call.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise PayPalError("MALFORMED_REQUEST_JSON")
    return _json(call.body or b"{}")


def _read_parts(call: Call, route: Route) -> Json:
    """JSON in the part `input`, and files, each in a part of the name that is described."""
    try:
        parts = multipart.read(call.headers.get("content-type", ""), call.body)
    except ValueError as reason:
        raise PayPalError("MALFORMED_REQUEST_JSON") from reason
    told = [part for part in parts if part.name == "input" and not part.filename]
    files = [part for part in parts if part.name == route.files and part.filename]
    if len(told) != 1 or len(told) + len(files) != len(parts):
        raise PayPalError("NOT_SUPPORTED", field="/input")
    for part in files:
        if part.content_type not in _DOCUMENTS or len(part.content) >= _DOCUMENT_BYTES:
            raise PayPalError("UNSUPPORTED_DOCUMENT", field=f"/{route.files}")
    call.files = [part.facts() for part in files]
    return _json(told[0].content)


def _json(raw: bytes) -> Json:
    try:
        given: Any = json.loads(raw)
    except (ValueError, RecursionError) as reason:
        raise PayPalError("MALFORMED_REQUEST_JSON") from reason
    if not isinstance(given, dict):
        raise PayPalError("MALFORMED_REQUEST_JSON")
    return given


def _mock(call: Call) -> None:
    """PayPal's own way of asking its sandbox for an error, by the error's code."""
    text = call.headers.get("paypal-mock-response")
    if text is None:
        return
    try:
        code = json.loads(text)["mock_application_codes"]
    except (ValueError, KeyError, TypeError) as reason:
        raise PayPalError("INVALID_PARAMETER_VALUE", field="PayPal-Mock-Response") from reason
    raise PayPalError(str(code))


def _error(call: Call, error: PayPalError) -> Reply:
    return Reply(error.status, dumps(error.body(call.request_id)).encode())


def _plain(status: int, body: Json) -> Reply:
    return Reply(status, dumps(body).encode())
