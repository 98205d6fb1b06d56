"""`manage.py replay FILE`: real transactions through the running API, and are the books right?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paysys.replay import compare
from paysys.replay.drive import Merchant, Refused, Replay, Report
from paysys.replay.source import Unreadable, read


class Command(BaseCommand):
    help = (
        "Post card transactions (transaction_id, occurred_at, customer_id, terminal_id, amount in "
        "EUR; .csv or .csv.gz) to the stack that `make run` started, then compare every payment "
        "with the provider's book and check our own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--limit", type=int, default=1000, help="how many (default 1000)")
        parser.add_argument("--concurrency", type=int, default=8, help="at once (default 8)")
        parser.add_argument(
            "--demo",
            type=Path,
            default=settings.BASE_DIR / "var" / "demo.json",
            help="what `make run` wrote (default var/demo.json)",
        )
        parser.add_argument("--json", type=Path, help="write the figures to this file too")

    def handle(self, **options: Any) -> None:
        if options["limit"] < 1 or not 1 <= options["concurrency"] <= 64:
            raise CommandError("--limit is at least 1, --concurrency 1 to 64.")
        demo = _demo(options["demo"])
        merchants = [Merchant(m["id"], m["name"], m["api_key"]) for m in demo["merchants"]]
        run = Replay(
            demo["api_url"],
            merchants,
            run_id=uuid.uuid4().hex[:12],
            concurrency=options["concurrency"],
        )
        try:
            transactions = read(options["file"], limit=options["limit"])
            run.prepare(transactions)
            started = time.perf_counter()
            report = run.post(transactions)
            seconds = time.perf_counter() - started
        except Unreadable as error:
            raise CommandError(str(error)) from error
        except (Refused, OSError) as error:
            raise CommandError(f"{demo['api_url']}: {error}. Is `make run` running?") from error
        figures = _figures(report, seconds)
        problems = report.problems + self._verify(demo, merchants, report, figures)
        self._tell(figures, problems)
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=2) + "\n")
        if problems:
            sys.exit(1)

    def _verify(
        self, demo: dict[str, Any], merchants: list[Merchant], report: Report, figures: Any
    ) -> list[str]:
        self.stdout.write("Waiting for captures, then comparing with the provider's book …")
        ours = compare.settle_down(demo["api_url"], merchants, set(report.posted))
        problems = compare.disagreements(ours, demo["simulator_url"])
        missing = set(report.posted) - set(ours)
        problems += [f"{public_id} was answered and cannot be found" for public_id in missing]
        figures["agreeing"] = len(ours) - len(problems)
        figures["unresolved"] = sum(p["status"] in compare.UNDER_WAY for p in ours.values())
        if figures["unresolved"]:
            problems.append(f"{figures['unresolved']} payments are still under way")
        books = subprocess.run(
            [sys.executable, "manage.py", "check_books"],
            cwd=settings.BASE_DIR,
            env={**os.environ, **demo["env"]},
            capture_output=True,
            text=True,
            check=False,
        )
        figures["books_clean"] = books.returncode == 0
        if books.returncode:
            problems.append(f"check_books says:\n{books.stdout}{books.stderr}")
        return problems

    def _tell(self, figures: dict[str, Any], problems: list[str]) -> None:
        write = self.stdout.write
        write("")
        speed = f"{figures['per_second']:.0f} a second"
        write(f"{figures['payments']:,} payments in {figures['seconds']:.1f} s, {speed}")
        write("")
        for outcome, count in sorted(figures["outcomes"].items(), key=lambda kept: -kept[1]):
            write(f"  {count:>7,}  {outcome}")
        write("")
        latency = figures["latency_ms"]
        write("  latency   " + "   ".join(f"{name} {ms:,.0f} ms" for name, ms in latency.items()))
        write(f"  agreeing with the provider, one by one   {figures['agreeing']:,}")
        write(f"  refused, less than the provider charges  {figures['refused']:,}")
        write(f"  still under way                          {figures['unresolved']:,}")
        write(f"  check_books                              {_yes(figures['books_clean'])}")
        for problem in problems:
            self.stderr.write(self.style.ERROR(problem))


def _yes(is_clean: bool) -> str:
    return "clean" if is_clean else "NOT CLEAN"


def _demo(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CommandError(f"{path} is not there: start the stack with `make run`.") from error
    except ValueError as error:
        raise CommandError(f"{path} is not what `make run` writes: {error}") from error
    return found


def _figures(report: Report, seconds: float) -> dict[str, Any]:
    ordered = sorted(report.seconds)
    return {
        "payments": len(ordered),
        "seconds": seconds,
        "per_second": len(ordered) / seconds if seconds else 0.0,
        "outcomes": dict(report.outcomes),
        "refused": report.refused,
        "latency_ms": {
            name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000
            for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        }
        if ordered
        else {},
    }
