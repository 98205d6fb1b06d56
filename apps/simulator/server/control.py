"""The other interface, for tests, `replay` and the soak: faults, the clock, the book.

| call | does |
|---|---|
| `GET /_sim/health` | alive, the clock, how many objects of each kind |
| `GET /_sim/book?after=SEQ&limit=N` | every payment intent, one JSON a line |
| `GET /_sim/charges?payment=pay_…` (or `op_key=…`) | how often the outside world was changed |
| `POST /_sim/faults {"op", "kind", "times", "type"}`, `GET`, `DELETE` | plant, show, clear |
| `POST /_sim/3ds/{pi}?result=pass` (or `fail`), `GET` (a page) | the customer's part |
| `POST /_sim/expire/{pi}` | the authorization ends |
| `POST /_sim/refunds/{re}?result=succeed` (or `fail`) | the bank's answer to a refund |
| `GET /_sim/disputes?charge=ch_…` | every dispute (of one charge), one JSON a line |
| `POST /_sim/disputes/{ch}?reason=…&amount=…&inquiry=yes` | the cardholder disputes, or asks |
| `POST /_sim/disputes/{du}?result=win` (`lose`, `close`, `escalate`, `reverse`) | decided |
| `POST /_sim/payouts {"everything": true}` | pay out what is available (or all) |
| `POST /_sim/payouts/{po}?result=pay` (or `fail`, `return`) | the bank's answer to a payout |
| `GET /_sim/payouts?payout=po_…` (or `op_key=…`) | what was ordered under our name |
| `GET /_sim/files` | the files that came, with their hashes |
| `POST /_sim/settle` | everything that would happen later happens now |
| `POST /_sim/clock {"advance": SECONDS}` | move the simulator's clock |
| `GET /_sim/events?after=SEQ&type=…`, `GET /_sim/events/{evt}` | events; one, signed |
| `GET /_sim/deliveries` | how many webhooks are in which state |
| `POST /_sim/webhooks {"url", "secret"}` | where events go ("" records only) |
| `POST /_sim/reset` | an empty book |
| `… /_sim/paypal/…` | the PayPal personality's own: `paypal/control.py` |
"""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from . import book, disputes, files, intents, later, pages, payouts, refunds, webhooks
from .faults import Faults
from .paypal.control import Control as PayPalControl
from .store import Record
from .webhooks import Postman
from .wire import Call, Json, Reply, StripeError, decode_form, json_reply
from .world import World

_STRIPE = "event"  # the kind under which its events are kept


class Control:
    def __init__(self, world: World, faults: Faults, postman: Postman) -> None:
        self.world = world
        self.faults = faults
        self.postman = postman
        self.paypal = PayPalControl(world, postman)
        self._calls: dict[tuple[str, str], Callable[[str, Json, Call], Reply]] = {
            ("GET", "health"): self._health,
            ("GET", "book"): self._book,
            ("GET", "charges"): self._charges,
            ("POST", "faults"): self._plant,
            ("GET", "faults"): self._planted,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "3ds"): self._page,
            ("POST", "3ds"): self._authenticate,
            ("POST", "expire"): self._expire,
            ("POST", "refunds"): self._refund,
            ("POST", "disputes"): self._dispute,
            ("GET", "disputes"): self._disputed,
            ("POST", "payouts"): self._pay_out,
            ("GET", "payouts"): self._ordered,
            ("GET", "files"): self._files,
            ("POST", "settle"): self._settle,
            ("POST", "clock"): self._clock,
            ("GET", "events"): self._events,
            ("GET", "deliveries"): self._deliveries,
            ("POST", "webhooks"): self._webhooks,
            ("POST", "reset"): self._reset,
        }

    def answer(self, call: Call) -> Reply:
        """:raises StripeError: no such control, or its object does not exist."""
        _, *parts = call.path.strip("/").split("/")
        is_paypals = parts[:1] == ["paypal"]
        name, object_id, *more = [*parts[is_paypals:], "", ""]
        run = self.paypal.find(call.method, name) if is_paypals else self._of_all(call, name)
        if run is None or any(more):
            raise StripeError(404, f"No such control: {call.method} {call.path}")
        asked: Json = dict(parse_qsl(call.query))
        try:
            if call.body and "json" in call.headers.get("content-type", "json"):
                asked |= json.loads(call.body)
            return run(object_id, asked)
        except (ValueError, KeyError) as reason:
            raise StripeError(400, f"Cannot read what is asked: {reason!r}") from reason
        finally:
            self.world.has_news.set()

    def _of_all(self, call: Call, name: str) -> Callable[[str, Json], Reply] | None:
        run = self._calls.get((call.method, name))
        return None if run is None else lambda object_id, asked: run(object_id, asked, call)

    # --- looking

    def _health(self, _id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            counts = dict(self.world.store.rows("SELECT kind, count(*) FROM object GROUP BY kind"))
        running = len(self.world.in_flight)
        return json_reply(
            {"status": "ok", "now": self.world.now(), "in_flight": running, "objects": counts}
        )

    def _book(self, _id: str, asked: Json, _call: Call) -> Reply:
        limit = int(asked.get("limit", 100_000))
        return book.lines(self.world, after=int(asked.get("after", 0)), limit=limit)

    def _charges(self, _id: str, asked: Json, _call: Call) -> Reply:
        return json_reply(book.effects(self.world, asked))

    def _events(self, event_id: str, asked: Json, _call: Call) -> Reply:
        store = self.world.store
        if event_id:
            with store.unit():
                event = self.world.get(event_id, "event")
            body = webhooks.body_of(event.body)
            secret = self.postman.addresses[_STRIPE].secret
            signature = webhooks.sign(body, secret, int(time.time()))
            return json_reply({"body": body.decode(), "signature": signature, "seq": event.seq})
        with store.unit():
            found = store.select(
                "event", "seq > ?", (int(asked.get("after", 0)),), "ORDER BY seq LIMIT 10000"
            )
        shown = [
            {"seq": e.seq, "id": e.id, "type": e.body["type"], "object": e.facts["object"]}
            for e in found
            if asked.get("type") in (None, e.body["type"])
            and asked.get("object") in (None, e.facts["object"])
        ]
        return json_reply({"events": shown})

    def _deliveries(self, _id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            found = self.world.store.rows("SELECT state, count(*) FROM delivery GROUP BY state")
        return json_reply(dict(found))

    # --- faults

    def _plant(self, _id: str, asked: Json, _call: Call) -> Reply:
        self.faults.plant(
            asked.get("op", "*"), asked["kind"], int(asked.get("times", 1)), asked.get("type", "")
        )
        return self._planted("", {}, _call)

    def _planted(self, _id: str, _asked: Json, _call: Call) -> Reply:
        return json_reply({"faults": self.faults.planted()})

    def _clear_faults(self, _id: str, _asked: Json, _call: Call) -> Reply:
        self.faults.reset()
        return self._planted("", {}, _call)

    # --- the customer, the bank, the night

    def _method(self, intent: Record) -> Record | None:
        named = intent.body["payment_method"]
        return self.world.store.find(named, "payment_method") if named else None

    def _page(self, intent_id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            intent = intents.find(self.world, intent_id)
            return pages.challenge(intent, self._method(intent))

    def _authenticate(self, intent_id: str, asked: Json, call: Call) -> Reply:
        """From a test the result is in the query and the answer JSON; from the page, a form."""
        form = {} if asked else decode_form(call.body.decode())
        result = asked.get("result") or form.get("result")
        if result not in ("pass", "fail"):
            raise StripeError(400, "The result is pass or fail.", param="result")
        with self.world.store.unit():
            intent = intents.find(self.world, intent_id)
            method = self._method(intent)
            if form and intent.body["status"] != "requires_action":
                return pages.challenge(intent, method)
            intents.authenticate(self.world, intent, passed=result == "pass")
        return pages.way_back(intent, method) if form else json_reply(intent.body)

    def _expire(self, intent_id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            body = intents.expire(self.world, intents.find(self.world, intent_id))
        return json_reply(body)

    def _refund(self, refund_id: str, asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            refund = self.world.get(refund_id, "refund")
            if asked.get("result") == "fail":
                refunds.fail(self.world, refund)
            else:
                refunds.succeed(self.world, refund)
        return json_reply(refund.body)

    def _dispute(self, charge_id: str, asked: Json, _call: Call) -> Reply:
        amount = int(asked["amount"]) if "amount" in asked else None
        with self.world.store.unit():
            if "result" in asked:
                dispute = self.world.get(charge_id, "dispute")
                disputes.decide(self.world, dispute, asked["result"], amount)
                return json_reply(dispute.body)
            charge = self.world.get(charge_id, "charge")
            body = disputes.open_dispute(
                self.world,
                charge,
                asked.get("reason", "fraudulent"),
                amount=amount,
                inquiry=is_yes(asked.get("inquiry")),
            )
        return json_reply(body)

    def _disputed(self, _id: str, asked: Json, _call: Call) -> Reply:
        return book.disputes(self.world, asked)

    def _ordered(self, _id: str, asked: Json, _call: Call) -> Reply:
        return json_reply({"payouts": book.payouts(self.world, asked)})

    def _files(self, _id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            return json_reply({"files": files.book(self.world)})

    def _pay_out(self, payout_id: str, asked: Json, _call: Call) -> Reply:
        if payout_id:
            with self.world.store.unit():
                payout = self.world.get(payout_id, "payout")
                payouts.end(self.world, payout, asked.get("result", "pay"))
            return json_reply(payout.body)
        with self.world.store.unit():
            made = payouts.pay_out(self.world, everything=is_yes(asked.get("everything")))
        return json_reply({"payouts": made})

    def _settle(self, _id: str, _asked: Json, _call: Call) -> Reply:
        happened = 0
        while count := later.run_due(self.world, all_kinds=later.SOON):
            happened += count
        return json_reply({"happened": happened})

    def _clock(self, _id: str, asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            offset = self.world.offset + int(asked.get("advance", 0))
            self.world.store.set_setting("offset", str(offset))
        self.world.offset = offset
        while later.run_due(self.world):
            pass
        return json_reply({"now": self.world.now()})

    def _webhooks(self, _id: str, asked: Json, _call: Call) -> Reply:
        address = self.postman.addresses[_STRIPE]
        address.url = asked.get("url", "")
        address.secret = asked.get("secret", address.secret)
        return json_reply({"url": address.url})

    def _reset(self, _id: str, _asked: Json, _call: Call) -> Reply:
        with self.world.store.unit():
            self.world.store.clear()
        self.world.offset = 0
        self.world.has_faulty_cards = False
        self.faults.reset()
        self.postman.forget()
        return json_reply({"status": "empty"})


def is_yes(value: Any) -> bool:
    return value in (True, "true", "1", "yes")
