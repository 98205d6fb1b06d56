"""The benchmark's own bookkeeping, and that what it measures is real: its books are clean."""

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from apps.ledger.tests.books import query, violations
from apps.merchants import services as merchants
from paysys.bench import harness, ledger, wallets, wallets_worker
from paysys.management.commands import bench


class TestHarness:
    def test_a_ratio_is_the_median_of_neighbours_in_one_round(self):
        assert harness.ratio([100, 10, 300], [50, 10, 100]) == 2

    def test_percentiles_are_nearest_ranks(self):
        assert harness.percentiles(range(101), 50, 95, 99) == {"p50": 50, "p95": 95, "p99": 99}
        assert harness.percentiles([7], 50, 99) == {"p50": 7, "p99": 7}

    def test_every_case_runs_in_every_round_and_the_first_round_does_not_count(self, monkeypatch):
        monkeypatch.setattr(harness, "QUIET", 1_000)
        calls = []

        def case(name):
            return lambda: calls.append(name) or {"per_second": float(len(calls))}

        measured = harness.interleaved(2, {"a": case("a"), "b": case("b")}, out=io.StringIO())

        assert calls == ["a", "b"] * 3
        assert measured["a"]["per_second"] == [3, 5]
        assert measured["b"]["per_second"] == [4, 6]

    def test_a_disturbed_slot_is_tried_again_and_the_quieter_one_counts(self, monkeypatch):
        used = iter([0, 1_000, 1_000, 1_000])
        monkeypatch.setattr(harness, "strangers_cpu", lambda: next(used))
        results = iter([{"per_second": 1.0}, {"per_second": 2.0}])

        found = harness.undisturbed(lambda: next(results))

        assert found == {"per_second": 2, "strangers": 0}

    def test_rounds_that_others_disturbed_do_not_count_if_there_are_quiet_ones(self):
        ours = {"per_second": [10.0, 30.0, 90.0], "strangers": [0.0, 0.9, 0.1]}
        peer = {"per_second": [10.0, 10.0, 30.0], "strangers": [0.1, 0.0, 0.9]}

        assert harness.quiet_ratio(ours, peer) == 1
        assert harness.quiet_median(ours, "per_second") == 50
        noisy = {"per_second": [10.0, 30.0], "strangers": [0.9, 0.8]}
        assert harness.quiet_median(noisy, "per_second") == 20

    def test_the_table_says_what_missed_its_floor(self):
        text = harness.table(
            "T",
            [
                harness.Row("fast", 1.2, "×", floor=1.1),
                harness.Row("slow", 0.5, "×", floor=0.6, note="why"),
                harness.Row("long", 1234.5, "µs", ceiling=130),
            ],
        )
        assert "fast   1.20 ×   ≥ 1.1  ok" in text
        assert "slow  0.500 ×   ≥ 0.6  MISSED  why" in text
        assert "long  1,234 µs  ≤ 130  MISSED" in text

    def test_writes_json(self, tmp_path):
        harness.write_json(tmp_path / "new" / "b.json", {"single_ratio": {"1": 1.5}})
        assert json.loads((tmp_path / "new" / "b.json").read_text()) == {"single_ratio": {"1": 1.5}}

    def test_a_worker_that_dies_is_an_error(self):
        environment = {"DJANGO_SETTINGS_MODULE": "no.such.settings"}
        with (
            harness.Fleet("paysys.bench.ledger:Worker", 1, environment) as fleet,
            pytest.raises((harness.BenchFailed, BrokenPipeError)),
        ):
            fleet.call("peak_memory")


class TestCommand:
    def test_knows_the_benchmarks_there_are(self):
        assert "ledger" in bench.names()
        assert not bench.HARNESS & set(bench.names())

    def test_refuses_another(self):
        with pytest.raises(CommandError, match="invalid choice"):
            call_command("bench", "nothing")


@pytest.mark.django_db(transaction=True)
class TestLedgerWorker:
    def test_does_real_postings_and_its_books_are_clean(self, monkeypatch):
        monkeypatch.setattr(ledger, "WALLETS", 40)
        monkeypatch.setattr(ledger, "MERCHANTS", 4)
        worker = ledger.Worker()
        worker.fill()
        for options in ({}, {"entries": 6}, {"hot": True}):
            done = worker.post(seconds=0.02, **options)
            assert done["per_second"] > 0
            assert done["client_cpu_us"] > 0
        assert worker.post_batches(seconds=0.02, size=3)["p50"] > 0

        kinds = query("SELECT kind, count(*) > 0 FROM ledger_transaction GROUP BY kind")
        assert dict(kinds) == {"top_up": True, "payment": True}
        assert violations() == []

    def test_reads_a_long_account_by_its_checkpoint(self, monkeypatch):
        worker = ledger.Worker()
        worker.fill_account(3_000)
        while not worker.take_checkpoint():
            pass  # other workers of the suite write in this server
        worker.post_tail(5)

        assert worker.read(3)["p50"] > 0
        number = query(
            "SELECT count(*) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id"
            " WHERE a.code = 'merchant:pending'"
        )
        assert number == [(3_006,)]
        assert violations() == []


@pytest.mark.django_db(transaction=True)
class TestWalletsWorker:
    @pytest.fixture
    def worker(self):
        now = datetime.now(UTC)
        merchants.onboard(
            id=wallets_worker.BOOK,
            name="Bench",
            country="US",
            default_currency="USD",
            actor="system",
            now=now,
        )
        return wallets_worker.Worker()

    def test_does_real_transfers_and_holds_and_its_books_are_clean(self, worker):
        worker.know(wallets=worker.open_wallets(count=3))
        for done in (worker.transfer(seconds=0.02), worker.hold(seconds=0.02)):
            assert done["per_second"] > 0
            assert done["client_cpu_us"] > 0

        kinds = query("SELECT kind, count(*) > 0 FROM ledger_transaction GROUP BY kind")
        assert dict(kinds) == {"top_up": True, "transfer": True, "hold": True}
        assert violations() == []

    def test_reads_a_long_wallet_whose_books_are_clean(self, worker, monkeypatch):
        monkeypatch.setattr(wallets_worker, "CHUNK", 1_000)
        wallet = worker.open_long_wallet(lines=6_000)
        worker.settle()

        for what in wallets.READINGS:
            assert worker.read(what=what, wallet=wallet, lines=6_000, count=3)["p50"] > 0
        lines = query(
            "SELECT count(*), sum(e.amount) = max(a.balance) FROM ledger_entry e"
            " JOIN ledger_account a ON a.id = e.account_id WHERE a.code LIKE 'wallet:%'"
        )
        assert lines == [(6_000, True)]
        assert query("SELECT count(*) > 1 FROM ledger_checkpoint") == [(True,)]
        assert violations() == []


class TestWalletsSummary:
    def test_holds_every_figure_against_its_yardstick_of_the_same_round(self):
        one = {"per_second": [100.0], "p50": [2.0], "p99": [4.0], "strangers": [0.0]}
        double = {**one, "per_second": [200.0]}
        measured = {"bare": double, "payment": one}
        for n in wallets.PROCESSES:
            measured |= {f"tpcb {n}": double, f"transfer {n}": one, f"hold {n}": double}
        for n in wallets.LENGTHS:
            measured |= {f"{what} {n}": one for what in wallets.READINGS}

        found = wallets.summary(measured, {"round_trips": 2, "commits": 1}, {"worker": 100.0})

        assert found["wallet_ratio"] == 0.5
        assert found["transfer_ratio"] == {"1": 0.5, "4": 0.5}
        assert found["hold_ratio"] == {"1": 1, "4": 1}
        assert found["balance_read_ms"]["1000000"] == 2
        verdicts = {row.what: row.verdict for row in wallets.rows(found)}
        assert verdicts["payment from a wallet"] == "≥ 0.35  ok"
        assert verdicts["its round trips"] == "≤ 1  MISSED"
