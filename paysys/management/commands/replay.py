"""`manage.py replay FILE`: real transactions through the running API, and are the books right?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paysys.replay import compare
from paysys.replay.crew import Crew
from paysys.replay.drive import Replay
from paysys.replay.report import Merchant, Report, told
from paysys.replay.scene import Refused
from paysys.replay.source import Transaction, Unreadable, read


class Command(BaseCommand):
    help = (
        "Post card transactions (transaction_id, occurred_at, customer_id, terminal_id, amount in "
        "EUR; .csv or .csv.gz) to the stack that `make run` started, then compare every payment "
        "with the provider's book, every wallet with the answers, and check our own books."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--limit", type=int, default=1000, help="how many (default 1000)")
        parser.add_argument("--concurrency", type=int, default=8, help="at once (default 8)")
        parser.add_argument(
            "--mix",
            action="store_true",
            help="not cards alone: also wallet payments, split tender, top-ups, transfers, payouts",
        )
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
            Crew(demo["api_url"], size=options["concurrency"]),
            merchants,
            run_id=uuid.uuid4().hex[:12],
            is_mixed=options["mix"],
        )
        try:
            report, seconds = self._post(demo, run, read(options["file"], limit=options["limit"]))
        except Unreadable as error:
            raise CommandError(str(error)) from error
        except (Refused, OSError) as error:
            raise CommandError(f"{demo['api_url']}: {error}. Is `make run` running?") from error
        figures = report.figures(seconds)
        problems = report.problems + self._verify(demo, run, report, figures)
        self.stdout.write("\n".join(["", *told(figures)]))
        for problem in problems:
            self.stderr.write(self.style.ERROR(problem))
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=2) + "\n")
        if problems:
            sys.exit(1)

    def _post(
        self, demo: Mapping[str, Any], run: Replay, transactions: list[Transaction]
    ) -> tuple[Report, float]:
        """Prepare, uncounted, and post everything; what came of it, and how long that took."""
        run.prepare(transactions)
        if run.scene.prepared:
            compare.settle_down(run.crew.url, run.merchants, set(run.scene.prepared))
            done = _manage(demo, "release")
            if done.returncode:
                raise Refused(f"release says {done.stdout}{done.stderr}")
        started = time.perf_counter()
        report = run.post(transactions)
        return report, time.perf_counter() - started

    def _verify(
        self, demo: Mapping[str, Any], run: Replay, report: Report, figures: dict[str, Any]
    ) -> list[str]:
        """Hold everything against what it should be; the differences, in words."""
        self.stdout.write("Waiting for what is under way, then comparing, one by one …")
        wanted = {**run.scene.prepared, **report.posted}
        ours, problems = self._compare_payments(demo, run, _only("pay_", wanted), figures)
        if run.is_mixed:
            figures["prepared"] = len(run.scene.prepared)
            payouts, differing = self._compare_payouts(demo, run, _only("po_", wanted), figures)
            ours |= payouts
            expected = run.purses.balances(lambda name: _stands(ours, name))
            agreeing, wrong = compare.wallets(run.crew, run.wallets, expected)
            figures["wallets_agreeing"] = agreeing
            problems += differing + wrong
        problems += [f"{name} was answered and cannot be found" for name in set(wanted) - set(ours)]
        figures["unresolved"] = sum(map(compare.is_under_way, ours.values()))
        if figures["unresolved"]:
            problems.append(f"{figures['unresolved']} payments or payouts are still under way")
        books = _manage(demo, "check_books")
        figures["books_clean"] = not books.returncode
        if books.returncode:
            problems.append(f"check_books says:\n{books.stdout}{books.stderr}")
        return problems

    def _compare_payments(
        self, demo: Mapping[str, Any], run: Replay, wanted: set[str], figures: dict[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        ours = compare.settle_down(run.crew.url, run.merchants, wanted)
        differing = compare.disagreements(ours, demo["simulator_url"])
        figures["agreeing"] = len(ours) - len(differing)
        return ours, differing

    def _compare_payouts(
        self, demo: Mapping[str, Any], run: Replay, wanted: set[str], figures: dict[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        ours = compare.settle_down(run.crew.url, run.merchants, wanted, what="payouts")
        provider = Crew(demo["simulator_url"], size=run.crew.size)
        differing = compare.payouts(provider, ours)
        figures["payouts_agreeing"] = len(ours) - len(differing)
        return ours, differing


def _only(prefix: str, names: Iterable[str]) -> set[str]:
    return {name for name in names if name.startswith(prefix)}


def _stands(ours: Mapping[str, Any], name: str) -> bool:
    """Whether what was answered under this id has moved money: a transfer has, at once."""
    if name.startswith("tr_"):
        return True
    return name in ours and ours[name]["status"] in compare.STANDS


def _manage(demo: Mapping[str, Any], command: str) -> subprocess.CompletedProcess[str]:
    """Run a management command next to the running stack."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", command],
        cwd=settings.BASE_DIR,
        env={**os.environ, **demo["env"]},
        capture_output=True,
        text=True,
        check=False,
    )


def _demo(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CommandError(f"{path} is not there: start the stack with `make run`.") from error
    except ValueError as error:
        raise CommandError(f"{path} is not what `make run` writes: {error}") from error
    return found
