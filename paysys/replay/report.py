"""What came of a replay: counted while it runs, told at its end."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paysys.replay.client import Answer
from paysys.replay.mix import Kind
from paysys.replay.source import Transaction

MAX_PROBLEMS = 20
# A transaction of less than the provider charges at all, and one that the wallet does not cover.
TOO_SMALL, TOO_LITTLE = "amount_too_small", "insufficient_funds"
POINTS = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    name: str
    api_key: str


@dataclass
class Report:
    """`posted` maps each payment's public id to its merchant.

    `refused` counts the transactions of which nothing was written, and rightly so.
    """

    seconds: dict[Kind, list[float]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[Kind, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    posted: dict[str, Merchant] = field(default_factory=dict)
    refused: int = 0
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(
        self, kind: Kind, merchant: Merchant, transaction: Transaction, answer: Answer
    ) -> str | None:
        """Count an answer; the public id of what it wrote, if it wrote anything."""
        error = answer.body.get("error", {})
        made = error.get("payment") or answer.body
        code = error.get("decline_code") or error.get("code", "")
        outcome = f"{answer.status} {made.get('status') or made.get('object', '')}".strip()
        with self.lock:
            self.seconds[kind].append(answer.seconds)
            self.outcomes[kind][f"{outcome} {code}".strip()] += 1
            if "id" in made:
                if made["object"] == "payment":
                    self.posted[made["id"]] = merchant
                return str(made["id"])
            if _is_rightly_refused(error, transaction):
                self.refused += 1
            else:
                self.problem(f"transaction {transaction.id}: {answer.status} {answer.body}")
        return None

    def problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def figures(self, seconds: float) -> dict[str, Any]:
        every = [one for kept in self.seconds.values() for one in kept]
        return {
            "transactions": len(every),
            "seconds": seconds,
            "per_second": len(every) / seconds if seconds else 0.0,
            "refused": self.refused,
            "latency_ms": _latency(every),
            "kinds": {
                kind.name.lower(): {
                    "count": len(self.seconds[kind]),
                    "outcomes": dict(self.outcomes[kind]),
                    "latency_ms": _latency(self.seconds[kind]),
                }
                for kind in Kind
                if kind in self.seconds
            },
        }


def told(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures as lines for a person."""
    speed = f"{figures['per_second']:.0f} a second"
    yield f"{figures['transactions']:,} transactions in {figures['seconds']:.1f} s, {speed}"
    yield ""
    yield f"  {'':31}" + "".join(f"{name:>11}" for name, _ in POINTS)
    for name, found in figures["kinds"].items():
        yield f"  {found['count']:>7,}  {Kind[name.upper()]:<22}" + _times(found["latency_ms"])
        for outcome, count in sorted(found["outcomes"].items(), key=lambda kept: -kept[1]):
            yield f"  {count:>11,}  {outcome}"
    if len(figures["kinds"]) > 1:
        yield f"  {figures['transactions']:>7,}  {'all of them':<22}" + _times(
            figures["latency_ms"]
        )
    yield ""
    yield f"  agreeing with the provider, one by one   {figures['agreeing']:>7,}"
    if "wallets_agreeing" in figures:
        yield f"    of them to fill wallets beforehand     {figures['prepared']:>7,}"
        yield f"  wallets as the client's own book has it  {figures['wallets_agreeing']:>7,}"
    yield f"  refused, and nothing written             {figures['refused']:>7,}"
    yield f"  still under way                          {figures['unresolved']:>7,}"
    yield f"  check_books                              {_yes(figures['books_clean']):>7}"


def _is_rightly_refused(error: Mapping[str, Any], transaction: Transaction) -> bool:
    if error.get("code") == TOO_LITTLE:
        return bool(error["available"] < transaction.amount_minor)
    return error.get("code") == TOO_SMALL


def _latency(seconds: list[float]) -> dict[str, float]:
    ordered, last = sorted(seconds), len(seconds) - 1
    return {name: ordered[min(int(len(ordered) * share), last)] * 1000 for name, share in POINTS}


def _times(latency_ms: Mapping[str, float]) -> str:
    return "".join(f"{latency_ms[name]:>8,.0f} ms" for name, _ in POINTS)


def _yes(is_clean: bool) -> str:
    return "clean" if is_clean else "NOT CLEAN"
