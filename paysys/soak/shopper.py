"""A good merchant's client: it writes down what it asks, and asks again under the same key."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from paysys.replay.client import Answer, Client
from paysys.replay.report import Merchant
from paysys.soak.journal import Journal, Operation

REQUEST_SECONDS = 6.0
PATIENCE_SECONDS = 25.0
AGAIN_SECONDS = 1.0  # what Retry-After says
_LOST = (OSError, http.client.HTTPException)
# Refusals that say "not now": the same request is sent again.
_NOT_NOW = ("idempotency_key_in_use", "lock_timeout")
_ACCEPTED = (200, 201, 202, 402)
_MADE = ("payment", "refund", "payout")


@dataclass
class Counts:
    """What was heard, and how long the answers took."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # from a request to its answer
    accepted: list[float] = field(default_factory=list)  # of those, what was granted or declined
    to_the_end: list[float] = field(default_factory=list)  # with all that was sent again
    requests: int = 0
    lost: int = 0


class Shopper:
    """Shared by all threads; each brings a client of its own."""

    def __init__(self, url: str, journal: Journal, merchants: dict[str, Merchant]) -> None:
        self.url = url
        self.merchants = merchants
        self.counts = Counts()
        self.unanswered: dict[str, Operation] = {}
        self._journal = journal
        self._lock = threading.Lock()

    def client(self) -> Client:
        return Client(self.url, timeout_seconds=REQUEST_SECONDS, repeats=False)

    def order(
        self,
        client: Client,
        operation: Operation,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Answer | None:
        """Ask until there is an answer for good; None if there was none in time, for later."""
        began, until = time.monotonic(), time.monotonic() + patience_seconds
        while True:
            answer = self._ask(client, operation)
            if answer is not None and is_final(answer):
                with self._lock:
                    self.counts.to_the_end.append(time.monotonic() - began)
                    self.unanswered.pop(operation.key, None)
                return answer
            if time.monotonic() > until:
                with self._lock:
                    self.unanswered[operation.key] = operation
                return None
            time.sleep(AGAIN_SECONDS)

    def note(self, **facts: Any) -> None:
        """Write down what happens outside, before it does."""
        self._journal.write(**facts)

    def look(self, client: Client, merchant: str, path: str) -> dict[str, Any] | None:
        """What stands at a path now; None if nobody can say."""
        try:
            answer = client.get(path, api_key=self.merchants[merchant].api_key)
        except _LOST:
            client.close()
            return None
        return answer.body if answer.status == 200 else None

    def _ask(self, client: Client, operation: Operation) -> Answer | None:
        told = {name: getattr(operation, name) for name in ("key", "merchant", "path", "body")}
        self._journal.write(asks=operation.kind, **told)
        api_key = self.merchants[operation.merchant].api_key
        try:
            answer = client.post(operation.path, operation.body, api_key=api_key, key=operation.key)
        except (*_LOST, ValueError) as error:
            client.close()
            self._journal.write(key=operation.key, lost=type(error).__name__)
            with self._lock:
                self.counts.requests += 1
                self.counts.lost += 1
            return None
        heard = heard_in(answer)
        self._journal.write(key=operation.key, **heard)
        with self._lock:
            self.counts.requests += 1
            self.counts.seconds.append(answer.seconds)
            if answer.status in _ACCEPTED:
                self.counts.accepted.append(answer.seconds)
            code = f" {heard['code']}" if heard["code"] else ""
            self.counts.answers[f"{operation.kind} {answer.status}{code}"] += 1
        return answer


def heard_in(answer: Answer) -> dict[str, Any]:
    """What of an answer is written down. `made` is the state of what was asked for."""
    error = answer.body.get("error") or {}
    made = next((error[name] for name in _MADE if isinstance(error.get(name), dict)), None)
    made = made or (answer.body if "object" in answer.body else {})
    return {
        "status": answer.status,
        "id": made.get("id"),
        "made": made.get("status") or made.get("object"),
        "code": error.get("code", ""),
        "is_final": is_final(answer),
        "body": hashlib.sha256(json.dumps(answer.body, sort_keys=True).encode()).hexdigest()[:16],
        "seconds": round(answer.seconds, 3),
    }


def is_final(answer: Answer) -> bool:
    """Whether the same request need not be sent again."""
    if answer.status >= 500 or answer.status in (202, 429):
        return False
    code = (answer.body.get("error") or {}).get("code")
    return not (answer.status == 409 and code in _NOT_NOW)
