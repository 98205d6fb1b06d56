"""The controls of the PayPal personality, below `/_sim/paypal/`.

Faults, the clock, `settle`, `deliveries` and `reset` are those of the whole simulator; PayPal's
operations are named `paypal_…` there (`routes.py`).

| call | does |
|---|---|
| `GET /_sim/paypal/book?after=SEQ&limit=N` | every order with its parts, one JSON a line |
| `GET /_sim/paypal/charges?payment=pay_…` | how often the outside world was changed |
| `POST /_sim/paypal/approve/{order}?result=approve` (or `decline`; `payer=…`) | the payer's part |
| `POST /_sim/paypal/expire/{order}` | its authorization ends |
| `POST /_sim/paypal/refunds/{refund}?result=complete` (or `fail`) | the bank's answer |
| `GET /_sim/paypal/disputes?charge=…` | every dispute (of one capture), one JSON a line |
| `POST /_sim/paypal/disputes/{capture}?reason=…&stage=…` | the payer disputes |
| `GET /_sim/paypal/disputes/{dispute}` | one, with how often it was answered, and the files |
| `POST /_sim/paypal/resolve/{dispute}?outcome=won` (`lost`, `canceled`, `escalated`) | decided |
| `POST /_sim/paypal/resolve/{dispute}?outcome=lost&refunded=60.00` | a part goes to the payer |
| `POST /_sim/paypal/payouts` | everything goes to the bank |
| `GET /_sim/paypal/events?after=SEQ&type=…&object=…`, `…/events/{id}` | events; one, signed |
| `POST /_sim/paypal/webhooks {"url", "webhook_id"}` | where events go ("" records only) |
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..store import Record
from ..webhooks import Postman
from ..wire import Json, Reply, dumps, json_reply
from ..world import World
from . import disputes, news, objects, page, payments, reports
from .errors import PayPalError
from .money import amount
from .objects import AUTHORIZATION, CAPTURE, ORDER, REFUND
from .payers import GOOD


class Control:
    def __init__(self, world: World, postman: Postman) -> None:
        self.world = world
        self.postman = postman
        self._calls: dict[tuple[str, str], Callable[[str, Json], Reply]] = {
            ("GET", "book"): self._book,
            ("GET", "charges"): self._charges,
            ("POST", "approve"): self._approve,
            ("POST", "expire"): self._expire,
            ("POST", "refunds"): self._refund,
            ("POST", "disputes"): self._dispute,
            ("GET", "disputes"): self._find_dispute,
            ("POST", "resolve"): self._resolve,
            ("POST", "payouts"): self._pay_out,
            ("GET", "events"): self._events,
            ("POST", "webhooks"): self._webhooks,
        }

    def find(self, method: str, name: str) -> Callable[[str, Json], Reply] | None:
        run = self._calls.get((method, name))
        return None if run is None else lambda object_id, asked: _answered(run, object_id, asked)

    # --- looking

    def _book(self, _id: str, asked: Json) -> Reply:
        after, limit = int(asked.get("after", 0)), int(asked.get("limit", 100_000))
        with self.world.store.unit():
            found = self.world.store.select(
                ORDER, "seq > ?", (after,), f"ORDER BY seq LIMIT {limit}"
            )
            text = "".join(dumps(self._line(order)) + "\n" for order in found)
        return Reply(200, text.encode(), content_type="application/x-ndjson")

    def _line(self, order: Record) -> Json:
        unit = order.body["purchase_units"][0]
        return {
            "seq": order.seq,
            "id": order.id,
            "status": order.body["status"],
            "amount": unit["amount"],
            "payment": unit.get("custom_id"),
            "payer": order.facts.get("payer"),
            "created": order.created,
            **{
                name: [
                    {"id": part.id, "status": part.body["status"], "amount": part.body["amount"]}
                    for part in self._parts(kind, order.id)
                ]
                for kind, name in objects.PARTS.items()
            },
        }

    def _parts(self, kind: str, order_id: str) -> list[Record]:
        return self.world.store.select(kind, "payment_intent = ?", (order_id,))

    def _charges(self, _id: str, asked: Json) -> Reply:
        """How often something happened for one payment: the proof of "once"."""
        store = self.world.store
        with store.unit():
            orders = store.select(ORDER, "payment = ?", (asked.get("payment", ""),))
            lines = [self._line(order) for order in orders]
        held, taken, back = (
            [part for line in lines for part in line[name]] for name in objects.PARTS.values()
        )
        good = [part for part in taken if part["status"] not in ("DECLINED", "FAILED")]
        given = [part for part in back if part["status"] in ("COMPLETED", "PENDING")]
        return json_reply({
            "orders": [line["id"] for line in lines],
            "authorizations": sum(part["status"] != "DENIED" for part in held),
            "voided": sum(part["status"] == "VOIDED" for part in held),
            "captures": len(good),
            "capture_ids": [part["id"] for part in good],
            "amount_captured": _sum(good),
            "refunds": len(given),
            "refund_ids": [part["id"] for part in given],
            "amount_refunded": _sum(given),
        })  # fmt: skip

    def _events(self, event_id: str, asked: Json) -> Reply:
        store = self.world.store
        with store.unit():
            if event_id:
                event = objects.find(self.world, event_id, news.EVENT)
                body = news.body_of(event.body)
                webhook_id = self.postman.addresses[news.EVENT].secret
                headers = news.headers(body, webhook_id)
                return json_reply({"body": body.decode(), "headers": headers, "seq": event.seq})
            found = store.select(
                news.EVENT, "seq > ?", (int(asked.get("after", 0)),), "ORDER BY seq LIMIT 10000"
            )
        shown = [
            {"seq": e.seq, "id": e.id, "type": e.body["event_type"], "object": e.facts["object"]}
            for e in found
            if asked.get("type") in (None, e.body["event_type"])
            and asked.get("object") in (None, e.facts["object"])
        ]
        return json_reply({"events": shown})

    # --- the payer, the bank, the night

    def _approve(self, order_id: str, asked: Json) -> Reply:
        with self.world.store.unit():
            order = objects.find(self.world, order_id, ORDER)
            page.approve(self.world, order, asked.get("result", ""), asked.get("payer", GOOD))
        return json_reply(order.body)

    def _expire(self, order_id: str, _asked: Json) -> Reply:
        with self.world.store.unit():
            for held in self._parts(AUTHORIZATION, order_id):
                payments.expire(self.world, held)
        return json_reply({"status": "expired"})

    def _refund(self, refund_id: str, asked: Json) -> Reply:
        act = payments.fail_refund if asked.get("result") == "fail" else payments.complete_refund
        with self.world.store.unit():
            refund = objects.find(self.world, refund_id, REFUND)
            act(self.world, refund)
        return json_reply(refund.body)

    def _dispute(self, capture_id: str, asked: Json) -> Reply:
        with self.world.store.unit():
            capture = objects.find(self.world, capture_id, CAPTURE)
            dispute = disputes.open_dispute(
                self.world, capture, asked.get("reason", "UNAUTHORISED"),
                asked.get("stage", "CHARGEBACK"),
            )  # fmt: skip
        return json_reply(disputes.shown(self.world, dispute))

    def _find_dispute(self, dispute_id: str, asked: Json) -> Reply:
        if not dispute_id:
            return self._disputes_of(asked.get("charge", ""))
        with self.world.store.unit():
            dispute = objects.find(self.world, dispute_id, disputes.DISPUTE)
            return json_reply({**disputes.shown(self.world, dispute), **disputes.facts(dispute)})

    def _disputes_of(self, capture_id: str) -> Reply:
        with self.world.store.unit():
            found = disputes.all_of(self.world, capture_id)
        text = "".join(dumps(line) + "\n" for line in found)
        return Reply(200, text.encode(), content_type="application/x-ndjson")

    def _resolve(self, dispute_id: str, asked: Json) -> Reply:
        outcome = asked.get("outcome")
        with self.world.store.unit():
            dispute = objects.find(self.world, dispute_id, disputes.DISPUTE)
            if outcome in ("canceled", "escalated"):
                act = disputes.cancel if outcome == "canceled" else disputes.escalate
                act(self.world, dispute)
            else:
                lost = asked.get("refunded", dispute.body["dispute_amount"]["value"])
                refunded = Decimal(0 if outcome == "won" else lost)
                disputes.resolve(self.world, dispute, refunded=refunded)
        return json_reply(disputes.shown(self.world, dispute))

    def _pay_out(self, _id: str, _asked: Json) -> Reply:
        with self.world.store.unit():
            made = reports.pay_out(self.world)
        return json_reply({"payouts": made})

    def _webhooks(self, _id: str, asked: Json) -> Reply:
        address = self.postman.addresses[news.EVENT]
        address.url = asked.get("url", "")
        address.secret = asked.get("webhook_id", address.secret)
        return json_reply({"url": address.url})


def _answered(run: Callable[[str, Json], Reply], object_id: str, asked: Json) -> Reply:
    try:
        return run(object_id, asked)
    except PayPalError as error:
        return json_reply(error.body(""), error.status)


def _sum(parts: list[Any]) -> Json:
    """By currency, as decimal strings."""
    sums: dict[str, Any] = {}
    for part in parts:
        currency = part["amount"]["currency_code"]
        value = amount(part["amount"])
        sums[currency] = sums.get(currency, 0) + value
    return {currency: str(value) for currency, value in sums.items()}
