"""`bench wallets`: what customers keep with us, spent, passed on, set aside and looked at.

Payments from a wallet are asked for over HTTP and stand next to a bare DRF view, transfers and
holds are made through the services and stand next to pgbench's TPC-B, all in the same interleaved
run. Reads are of wallets of a thousand to a million lines, and should not notice the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from paysys.bench import harness, over_http
from paysys.bench.harness import Bench, Fleet, Numbers, Row, quiet_median, quiet_ratio
from paysys.bench.wallets_worker import BOOK
from paysys.embedded import postgres

PROCESSES = (1, 4)
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
READINGS = ("balance", "past balance", "page", "statement")
READS = 100  # in a slot
PAY = "/v1/payments"
BODY = {"amount": 100, "currency": "USD", "source": ""}
Case = Callable[[], Mapping[str, float]]
TARGET = "paysys.bench.wallets_worker:Worker"


def run(*, seconds: float, rounds: int, json_file: Path | None) -> str:
    """Measure all of it, write the JSON file if one is asked for, and hand back the table."""
    say = sys.stderr
    say.write("a server, the migrations, the wallets, TPC-B's tables …\n")
    with harness.started("wallets") as bench, ExitStack() as stack:
        bench.make_tpcb()
        environment = over_http.environment(bench)
        api_key = over_http.make_merchant(bench, environment, book_id=BOOK)
        workers = harness.fleets(stack, TARGET, PROCESSES, environment)
        (wallets,) = workers[1].call("open_wallets")
        for fleet in workers.values():
            fleet.call("know", wallets=wallets)
        bench.analyze()
        url, pid = stack.enter_context(over_http.web(bench, environment))
        clients = stack.enter_context(over_http.clients(environment))
        clients.call("know", sources=wallets)
        ask = partial(over_http.case, clients, url=url, api_key=api_key, seconds=seconds)
        cases: dict[str, Case] = {
            "bare": partial(ask, path=over_http.BARE, body=BODY),
            "payment": partial(ask, path=PAY, body=BODY),
            **_service_cases(bench, workers, seconds),
        }
        measured = harness.interleaved(rounds, cases, out=say)
        memory = {
            "web server": over_http.memory_mb(pid),
            "worker": max(workers[4].call("peak_memory")),
        }
        say.write("wallets of up to a million lines …\n")
        measured |= _reads(stack, bench, workers[1], rounds)
        asked = {"payment": (PAY, {**BODY, "source": wallets[0]})}
        messages = over_http.messages(environment, api_key, asked)
    results = summary(measured, messages["payment"], memory)
    if json_file is not None:
        harness.write_json(json_file, results)
    return harness.table("Wallets, next to a bare DRF view and to TPC-B", rows(results))


def _service_cases(bench: Bench, workers: Mapping[int, Fleet], seconds: float) -> dict[str, Case]:
    """Each beside its yardstick, because the machine of this second is not that of the next."""
    made: dict[str, Case] = {}
    for count, fleet in workers.items():
        made[f"tpcb {count}"] = partial(_tpcb, bench, count, seconds)
        for name in ("transfer", "hold"):
            made[f"{name} {count}"] = partial(_together, fleet, name, seconds=seconds)
    return made


def _tpcb(bench: Bench, count: int, seconds: float) -> Mapping[str, float]:
    return {"per_second": bench.tpcb(count, seconds)}


def _together(fleet: Fleet, name: str, **options: Any) -> Mapping[str, float]:
    return harness.together(fleet.call(name, **options))


def _reads(stack: ExitStack, bench: Bench, reader: Fleet, rounds: int) -> dict[str, Numbers]:
    """Every reading of every length, in turn."""
    owner = stack.enter_context(Fleet(TARGET, 1, bench.environment(postgres.OWNER)))
    wallets = {length: owner.call("open_long_wallet", lines=length)[0] for length in LENGTHS}
    bench.analyze()
    owner.call("settle")
    cases = {
        f"{what} {length}": partial(
            _together, reader, "read", what=what, wallet=wallet, lines=length, count=READS
        )
        for length, wallet in wallets.items()
        for what in READINGS
    }
    return harness.interleaved(rounds, cases, out=sys.stderr)


def summary(
    measured: Mapping[str, Numbers], messages: Mapping[str, int], memory: Mapping[str, float]
) -> dict[str, Any]:
    """The figures by the names the issue gives them, and every round's below.

    Where there are rounds in which nobody else was at work, they alone count.
    """

    def by_processes(name: str) -> dict[str, float]:
        return {
            str(n): quiet_ratio(measured[f"{name} {n}"], measured[f"tpcb {n}"]) for n in PROCESSES
        }

    def by_length(what: str) -> dict[str, float]:
        return {str(n): quiet_median(measured[f"{what} {n}"], "p50") for n in LENGTHS}

    strangers = [value for numbers in measured.values() for value in numbers["strangers"]]
    return {
        "bench": "wallets",
        "wallet_ratio": quiet_ratio(measured["payment"], measured["bare"]),
        "transfer_ratio": by_processes("transfer"),
        "hold_ratio": by_processes("hold"),
        "balance_read_ms": by_length("balance"),
        "past_balance_read_ms": by_length("past balance"),
        "page_read_ms": by_length("page"),
        "statement_read_ms": by_length("statement"),
        "per_payment": messages,
        "per_second": {
            name: quiet_median(numbers, "per_second")
            for name, numbers in measured.items()
            if "per_second" in numbers
        },
        "latency_ms": {
            name: {point: quiet_median(measured[name], point) for point in ("p50", "p99")}
            for name in ("bare", "payment")
        },
        "memory_mb": memory,
        "quiet_slots": sum(value <= harness.QUIET for value in strangers) / len(strangers),
        "rounds": measured,
    }


def rows(results: Mapping[str, Any]) -> list[Row]:
    """The table: what the issue asks for, with its floors."""
    speeds, sent = results["per_second"], results["per_payment"]
    made = [
        Row("bare view", 1, "×", note=f"{speeds['bare']:,.0f} requests a second"),
        Row(
            "payment from a wallet",
            results["wallet_ratio"],
            "×",
            0.35,
            note=f"{speeds['payment']:,.0f} a second; wanted 0.6",
        ),
        Row("its round trips", sent["round_trips"], ceiling=1),
        Row("its commits", sent["commits"], ceiling=1),
        Row("its latency, p50", results["latency_ms"]["payment"]["p50"], "ms"),
        Row("its latency, p99", results["latency_ms"]["payment"]["p99"], "ms"),
    ]
    for name in ("transfer", "hold"):
        for n in map(str, PROCESSES):
            note = f"{speeds[f'{name} {n}']:,.0f} a second, TPC-B {speeds[f'tpcb {n}']:,.0f}"
            made.append(Row(f"{name}s, {n} processes", results[f"{name}_ratio"][n], "×", note=note))
    for what in READINGS:
        made += _flat(what, results[f"{what.replace(' ', '_')}_read_ms"])
    made += [Row(f"memory, {who}", mb, "MB") for who, mb in results["memory_mb"].items()]
    made.append(Row("slots left alone by others", 100 * results["quiet_slots"], "%", 50))
    return made


def _flat(what: str, times: Mapping[str, float]) -> Sequence[Row]:
    """What a reading of the longest wallet takes, and how much more than of the shortest."""
    shortest, *_, longest = times.values()
    from_the_shortest_on = ", ".join(harness.figure(ms) for ms in times.values())
    return (
        Row(
            f"{what} of a million lines",
            longest,
            "ms",
            note=f"from 1,000 on: {from_the_shortest_on}",
        ),
        Row("  to that of a thousand", longest / shortest, "×", ceiling=1.5),
    )
