"""The door: every request of Stripe's interface passes key, fault, parameters and idempotency.

Order, as Stripe documents it: 401 and 429 and refused parameters are never saved under an
Idempotency-Key; everything an operation answers once it began is, a 500 included, and is replayed
for at least 24 hours. The same key while its first request still runs: 409.
"""

import hashlib

from . import files, lists, objects, routes, schema
from .cards import find as find_card
from .faults import AFTER, BEFORE, Fault, Faults, cut_off, parse
from .routes import Route
from .wire import Call, Json, Reply, StripeError, decode_form, dumps
from .world import World

_KEYS_LIVE_SECONDS = 86_400
_KEY_LENGTH = 255


class Engine:
    """Answers calls of `/v1/…`. Safe for many threads."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    def answer(self, call: Call) -> Reply:
        """Never raises: every error is an answer in Stripe's shape, or a broken connection."""
        call.request_id = objects.new_id("req", 14)
        try:
            _authenticate(call)
            found = routes.find(call.method, call.path)
            if found is None:
                raise StripeError(404, f"Unrecognized request URL ({call.method}: {call.path}).")
            route, call.object_id = found
            call.op = route.op
            fault = self.faults.pick(call.op, call.headers.get("paysys-fault"))
            given = _given(call)
            if fault is None:
                fault = self._fault_of_card(call, given)
            if fault is not None and fault.kind in BEFORE:
                return self._dressed(call, self._refused(fault))
            reply = self._serve(call, route, given, fault)
        except StripeError as error:
            reply = _error(call, error)
        except UnicodeDecodeError:
            reply = _error(call, StripeError(400, "Invalid request body."))
        return self._dressed(call, reply)

    def _dressed(self, call: Call, reply: Reply) -> Reply:
        reply.headers.setdefault("Request-Id", call.request_id)
        version = call.headers.get("stripe-version", self.world.config.api_version)
        reply.headers.setdefault("Stripe-Version", version)
        if call.idempotency_key:
            reply.headers.setdefault("Idempotency-Key", call.idempotency_key)
        return reply

    # --- with and without an idempotency key

    def _serve(self, call: Call, route: Route, given: Json, fault: Fault | None) -> Reply:
        key = call.idempotency_key if call.method == "POST" else None
        if key is not None and not 1 <= len(key) <= _KEY_LENGTH:
            raise StripeError(
                400, f"Idempotency keys must be 1 to {_KEY_LENGTH} characters long.",
                kind="idempotency_error",
            )  # fmt: skip
        with self.world.claim(key, _in_use(key)):
            if fault is not None and fault.kind == "slow":
                self.world.stopping.wait((fault.amount or 1_000.0) / 1_000)
            with self.world.store.unit():
                saved = self._saved(key, call, given) if key else None
                reply = saved or self._execute(call, route, given, fault, key)
        if call.method == "POST":
            self.world.has_news.set()
        if fault is not None and fault.kind in AFTER and reply.linger == "":
            return cut_off(reply, fault, self.world.config.hold_seconds)
        return reply

    def _saved(self, key: str, call: Call, given: Json) -> Reply | None:
        """:raises StripeError: 400, the key belongs to another request."""
        store = self.world.store
        found = store.rows(
            "SELECT fingerprint, created, request_id, status, body FROM idempotency WHERE key = ?",
            (key,),
        )
        if not found:
            return None
        fingerprint, created, request_id, status, body = found[0]
        if created <= self.world.now() - _KEYS_LIVE_SECONDS:
            store.write("DELETE FROM idempotency WHERE key = ?", (key,))
            return None
        if fingerprint != _fingerprint(call, given):
            raise StripeError(
                400, "Keys for idempotent requests can only be used with the same parameters they"
                f" were first used with. Try using a key other than '{key}' if you meant to execute"
                " a different request.", kind="idempotency_error",
            )  # fmt: skip
        headers = {"Idempotent-Replayed": "true", "Original-Request": request_id}
        return Reply(status, body.encode(), headers)

    # --- one operation

    def _execute(
        self, call: Call, route: Route, given: Json, fault: Fault | None, key: str | None
    ) -> Reply:
        """Run it inside the open unit, and save the answer under the key in the same commit."""
        call.params = schema.check(route.params, given)
        self.world.request = {"id": call.request_id, "idempotency_key": key}
        reply = _broken(call) if fault is not None and fault.kind == "error_before" else None
        if reply is None:
            reply = self._run(call, route)
        if fault is not None and fault.kind == "error_after":
            reply = _broken(call)
        if key is not None:
            self.world.store.write(
                "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
                (key, _fingerprint(call, given), self.world.now(), call.request_id, reply.status,
                 reply.body.decode()),
            )  # fmt: skip
            reply.headers["Original-Request"] = call.request_id
        return reply

    def _run(self, call: Call, route: Route) -> Reply:
        kept: StripeError | None = None
        body: Json = {}
        try:
            with self.world.store.attempt():
                try:
                    body = route.run(self.world, call)
                    body = lists.expand(self.world, body, call.params.get("expand") or [])
                except StripeError as error:
                    if not error.keeps_effect:
                        raise
                    kept = error
        except StripeError as error:
            return _error(call, error)
        if kept is not None:
            return _error(call, kept)
        return Reply(200, dumps(body).encode())

    # --- faults

    def _fault_of_card(self, call: Call, given: Json) -> Fault | None:
        """A `pm_card_sim_…` card breaks its call once per object (or, at creation, per key)."""
        token = given.get("payment_method")
        is_named = isinstance(token, str) and token.startswith("pm_card_sim_")
        if not is_named and not self.world.has_faulty_cards:
            return None
        subject = call.object_id or call.idempotency_key or call.request_id
        store = self.world.store
        with store.unit():
            if not isinstance(token, str) or not token.startswith("pm_"):
                token = self._token_behind(call, given)
            card = find_card(token) if token and token.startswith("pm_card_sim_") else None
            if card is None:
                return None
            op, _, kind = card.fault.partition(":")
            mark = f"fired:{call.op}:{subject}"
            if op not in ("*", call.op) or store.setting(mark, ""):
                return None
            store.set_setting(mark, "yes")
        return parse(kind)

    def _token_behind(self, call: Call, given: Json) -> str:
        """The name of the card that the object of this call was paid with."""
        store = self.world.store
        named = call.object_id or given.get("payment_intent") or given.get("charge") or ""
        found = (
            store.find(named) if isinstance(named, str) and named[:3] in ("pi_", "ch_") else None
        )
        method = found.body.get("payment_method") if found else None
        record = store.find(method, "payment_method") if method else None
        return str(record.facts["token"]) if record else ""

    def _refused(self, fault: Fault) -> Reply:
        if fault.kind == "rate_limit":
            return _plain(429, "invalid_request_error", "Too many requests.", "rate_limit")
        if fault.kind == "lock_timeout":
            return _plain(
                429, "invalid_request_error",
                "This object cannot be accessed right now because another API request or Stripe"
                " process is currently accessing it.", "lock_timeout",
            )  # fmt: skip
        if fault.kind == "unavailable":
            return _plain(503, "api_error", "The service is unavailable.")
        return cut_off(Reply(0, b""), fault, self.world.config.hold_seconds)


def _given(call: Call) -> Json:
    if call.method == "GET":
        return decode_form(call.query)
    if call.headers.get("content-type", "").startswith("multipart/form-data"):
        return files.read(call)
    return decode_form(call.body.decode())


def _authenticate(call: Call) -> None:
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    if not key:
        raise StripeError(
            401, "You did not provide an API key. You need to provide your API key in the"
            " Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_KEY').",
        )  # fmt: skip
    if scheme.lower() != "bearer" or not key.startswith("sk_test_") or len(key) < 9:
        shown = key[:8] + "*" * 4
        raise StripeError(401, f"Invalid API Key provided: {shown}")


def _in_use(key: str | None) -> StripeError:
    return StripeError(
        409, f"There is currently another in-progress request using this Idempotent Key ({key}).",
        kind="idempotency_error", code="idempotency_key_in_use",
    )  # fmt: skip


def _fingerprint(call: Call, given: Json) -> str:
    text = f"{call.method} {call.path} {dumps(_sorted(given))}"
    return hashlib.sha256(text.encode()).hexdigest()


def _sorted(given: Json) -> Json:
    return {
        name: _sorted(value) if isinstance(value, dict) else value
        for name, value in sorted(given.items())
    }


def _error(call: Call, error: StripeError) -> Reply:
    log = f"https://dashboard.stripe.com/test/logs/{call.request_id}"
    return Reply(error.status, dumps({"error": error.error | {"request_log_url": log}}).encode())


def _broken(call: Call) -> Reply:
    return _error(call, StripeError(500, "An unknown error occurred.", kind="api_error"))


def _plain(status: int, kind: str, message: str, code: str | None = None) -> Reply:
    error = StripeError(status, message, kind=kind, code=code)
    return Reply(status, dumps({"error": error.error}).encode())
