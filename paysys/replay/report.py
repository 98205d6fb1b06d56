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
# A transaction of less than the provider charges at all; one that the wallet does not cover, or
# what is payable, each with the field that says what there is.
TOO_SMALL = "amount_too_small"
TOO_LITTLE = {"insufficient_funds": "available", "payout_exceeds_payable": "remaining"}
POINTS = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))

_CHECKED = {
    "payments as the provider has them": "agreeing",
    "  of them made beforehand": "prepared",
    "payouts as the provider has them": "payouts_agreeing",
    "wallets as the client's own book has them": "wallets_agreeing",
    "refused, and nothing written": "refused",
    "still under way": "unresolved",
}


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    name: str
    api_key: str


@dataclass
class Report:
    """`posted` maps the public id of each payment and payout to its merchant.

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
        made = error.get("payment") or error.get("payout") or answer.body
        code = error.get("decline_code") or error.get("code", "")
        outcome = f"{answer.status} {made.get('status') or made.get('object', '')}".strip()
        with self.lock:
            self.seconds[kind].append(answer.seconds)
            self.outcomes[kind][f"{outcome} {code}".strip()] += 1
            if "id" in made:
                if made["object"] in ("payment", "payout"):
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
    for what, name in _CHECKED.items():
        if name in figures:
            yield f"  {what:<42}{figures[name]:>7,}"
    yield f"  {'check_books':<42}{_yes(figures['books_clean']):>7}"


def _is_rightly_refused(error: Mapping[str, Any], transaction: Transaction) -> bool:
    code = error.get("code")
    if code in TOO_LITTLE:
        return bool(error[TOO_LITTLE[code]] < transaction.amount_minor)
    return bool(code == TOO_SMALL)


def _latency(seconds: list[float]) -> dict[str, float]:
    ordered, last = sorted(seconds), len(seconds) - 1
    return {name: ordered[min(int(len(ordered) * share), last)] * 1000 for name, share in POINTS}


def _times(latency_ms: Mapping[str, float]) -> str:
    return "".join(f"{latency_ms[name]:>8,.0f} ms" for name, _ in POINTS)


def _yes(is_clean: bool) -> str:
    return "clean" if is_clean else "NOT CLEAN"
