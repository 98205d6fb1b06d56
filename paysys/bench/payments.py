"""How fast payments are taken over HTTP, next to the least that a view can do, in the same run.

The provider is in the process and answers at once, so what is measured is ours: the *accept*
(claim, payment, run, event, audit and the first promise to call: one transaction) and the
*answer*, the whole way to AUTHORIZED. Both stand next to a bare DRF view: a key that is looked up,
and one INSERT by the ORM. The *leanest* view, with our own authentication, which remembers keys,
and plain SQL, says how much of the difference is the framework's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from apps.core import ids
from paysys.bench import harness, over_http
from paysys.bench.harness import Row, ratio

PATHS = {
    "bare": over_http.BARE,
    "leanest": "/bench/leanest",
    "accept": "/bench/accept",
    "answer": "/v1/payments",
}
BODY = {"amount": 10_000, "currency": "USD", "source": "pm_card_visa"}


def run(*, seconds: float, rounds: int, json_file: Path | None) -> str:
    """Measure all of it, write the JSON file if one is asked for, and hand back the table."""
    sys.stderr.write("a server, the migrations, a merchant …\n")
    with harness.started("payments") as bench:
        environment = over_http.environment(bench)
        api_key = over_http.make_merchant(bench, environment, book_id=ids.new_id())
        with (
            over_http.web(bench, environment) as (url, pid),
            over_http.clients(environment) as clients,
        ):
            cases = {
                name: partial(
                    over_http.case,
                    clients,
                    url=url,
                    path=path,
                    body=BODY,
                    api_key=api_key,
                    seconds=seconds,
                )
                for name, path in PATHS.items()
            }
            measured = harness.interleaved(rounds, cases, out=sys.stderr)
            memory = over_http.memory_mb(pid)
        asked = {name: (PATHS[name], BODY) for name in ("accept", "answer")}
        messages = over_http.messages(environment, api_key, asked)
    results = _summary(measured, messages, memory)
    if json_file is not None:
        harness.write_json(json_file, results)
    return harness.table("Payments over HTTP, as ratios to a bare DRF view", _rows(results))


def _summary(
    measured: Mapping[str, harness.Numbers], messages: Mapping[str, Any], memory: float
) -> dict[str, Any]:
    """The figures by the names the issue gives them, and every round's below."""
    bare, leanest = measured["bare"]["per_second"], measured["leanest"]["per_second"]
    return {
        "bench": "payments",
        "accept_ratio": ratio(measured["accept"]["per_second"], bare),
        "answer_ratio": ratio(measured["answer"]["per_second"], bare),
        "leanest_ratio": ratio(leanest, bare),
        "accept_to_leanest": ratio(measured["accept"]["per_second"], leanest),
        "answer_to_leanest": ratio(measured["answer"]["per_second"], leanest),
        "per_second": {name: median(found["per_second"]) for name, found in measured.items()},
        "latency_ms": {
            name: {point: median(found[point]) for point in ("p50", "p99")}
            for name, found in measured.items()
        },
        "per_payment": messages,
        "web_memory_mb": memory,
        "rounds": measured,
    }


def _rows(results: Mapping[str, Any]) -> list[Row]:
    """The table: what the issue asks for, with its floors."""
    speeds, latency = results["per_second"], results["latency_ms"]
    made = [
        Row("bare view", 1, "×", note=f"{speeds['bare']:,.0f} requests a second"),
        Row(
            "leanest view", results["leanest_ratio"], "×", note=f"{speeds['leanest']:,.0f} a second"
        ),
    ]
    for name, floor in (("accept", 0.45), ("answer", 0.3)):
        sent = results["per_payment"][name]
        note = (
            f"{speeds[name]:,.0f} a second; "
            f"{sent['round_trips']} round trips, {sent['commits']} commits"
        )
        made.append(Row(name, results[f"{name}_ratio"], "×", floor, note=note))
    made += [
        Row(f"{name}, of the leanest view", results[f"{name}_to_leanest"], "×")
        for name in ("accept", "answer")
    ]
    made += [Row(f"{name}, p50", latency[name]["p50"], "ms") for name in PATHS]
    made += [Row(f"{name}, p99", latency[name]["p99"], "ms") for name in PATHS]
    made.append(Row("memory of the web server", results["web_memory_mb"], "MB"))
    return made
