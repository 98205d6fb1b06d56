"""`manage.py replay --mix` in small: against the API over HTTP, the simulator and a sweeper."""

import csv
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from apps.core import ids
from apps.core.money import Money
from apps.payments.tests import news, tills
from apps.payments.tests.conftest import make_merchant, stripe_is_simulated  # noqa: F401  a fixture
from apps.payments.tests.purses import fund
from apps.sagas import services as sagas
from paysys.replay import compare, mix
from paysys.replay.client import Answer
from paysys.replay.crew import Crew
from paysys.replay.drive import Replay
from paysys.replay.mix import Kind
from paysys.replay.purses import Purses
from paysys.replay.report import Merchant, Report
from paysys.replay.source import Transaction

COLUMNS = ("transaction_id", "occurred_at", "customer_id", "terminal_id", "amount")


def transaction(number, *, customer=1, terminal=0, minor=5_000):
    return Transaction(str(number), "2018-04-01 00:00:31", customer, terminal, minor)


def some_of(kind, count=1):
    """The first transactions that become this."""
    found = (one for one in map(transaction, range(10_000)) if mix.kind_of(one) is kind)
    return list(islice(found, count))


class TestTheMix:
    def test_gives_a_transaction_the_same_part_every_time(self):
        numbers = range(500)
        first, again = ([mix.kind_of(transaction(n)) for n in numbers] for _ in range(2))
        assert first == again
        assert first[4:7] == [Kind.CARD, Kind.WALLET, Kind.TOP_UP]

    def test_has_as_much_of_each_as_it_says(self):
        found = Counter(mix.kind_of(transaction(n)) for n in range(20_000))
        for kind, share in mix.SHARES.items():
            assert found[kind] / 200 == pytest.approx(share, abs=1)

    def test_transfers_go_between_the_same_two(self):
        for customer in range(20):
            assert mix.partner_of(customer) != customer
            assert mix.partner_of(mix.partner_of(customer)) == customer

    def test_a_split_leaves_something_to_the_card(self):
        parts = [mix.wallet_part_of(transaction(n, minor=100)) for n in range(100)]
        assert set(parts) == {33, None}


class TestTheClientsOwnBook:
    def test_counts_what_stands_and_names_every_wallet(self):
        purses = Purses()
        purses.note("pay_1", {"w1": 500})
        purses.note("tr_1", {"w1": -200, "w2": 200})
        purses.note("pay_2", {"w3": -100})

        assert purses.balances(lambda name: name != "pay_2") == {"w1": 300, "w2": 200, "w3": 0}


class TestTheReport:
    merchant = Merchant("merchant_1", "Ann's", "sk_test_1")

    def note(self, report, status, body):
        answer = Answer(status, body, 0.1)
        return report.note(Kind.WALLET, self.merchant, transaction(1), answer)

    def test_a_wallet_that_had_too_little_is_rightly_refused(self):
        report = Report()
        assert self.note(report, 402, insufficient(available=4_999)) is None
        assert (report.refused, report.problems) == (1, [])

    def test_a_wallet_that_had_enough_is_not(self):
        report = Report()
        self.note(report, 402, insufficient(available=5_000))
        assert report.refused == 0
        assert len(report.problems) == 1

    def test_what_nobody_expects_is_a_problem(self):
        report = Report()
        self.note(report, 409, {"error": {"code": "wallet_frozen"}})
        assert "wallet_frozen" in report.problems[0]


def insufficient(*, available):
    return {"error": {"code": "insufficient_funds", "available": available}}


@contextmanager
def worked(simulator, url):
    """Workers and banks, until the block ends: what is due is done, and events are told."""
    ended = threading.Event()

    def work():
        while not ended.wait(0.05):
            simulator.settle()
            news.apply_all()
            sagas.sweep()
        connections.close_all()

    simulator.send_webhooks_to(f"{url}/webhooks/stripe")
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        simulator.send_webhooks_to("")


@contextmanager
def empty_book():
    """A provider that knows of nothing."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.django_db(transaction=True)
class TestReplay:
    @pytest.fixture
    def file(self, tmp_path):
        """Six transactions of every kind and ten customers, whose wallets therefore meet often."""
        path = tmp_path / "transactions.csv"
        with path.open("w", newline="") as text:
            rows = csv.writer(text)
            rows.writerow(COLUMNS)
            ids = sorted(int(one.id) for kind in Kind for one in some_of(kind, 6))
            for number, name in enumerate(ids):
                cents = 120 + number * 37 % 900
                rows.writerow(
                    [name, "2018-04-01 00:00:31", 2 + number % 10, number % 3, cents / 100]
                )
        return path

    @pytest.fixture
    def books(self):
        made = [make_merchant() for _ in range(2)]
        for one in made:
            tills.agree(one)
        return made

    @pytest.fixture
    def demo(self, live_server, simulator, books, tmp_path):
        """What `make run` would have written."""
        url = urlsplit(os.environ["DATABASE_URL"])
        path = tmp_path / "demo.json"

        def write(simulator_url=simulator.url):
            facts = {
                "api_url": live_server.url,
                "simulator_url": simulator_url,
                "merchants": [
                    {"id": one.public_id, "name": one.public_id, "api_key": one.api_key}
                    for one in books
                ],
                "env": {
                    "DATABASE_URL": url._replace(path=connection.settings_dict["NAME"]).geturl()
                },
            }
            path.write_text(json.dumps(facts))
            return path

        return write

    @pytest.fixture(autouse=True)
    def looks_again_soon(self, monkeypatch):
        monkeypatch.setattr(compare, "LOOK_AGAIN_SECONDS", 0.1)

    def test_of_every_kind_agrees_with_the_provider_and_with_the_client(
        self, file, demo, tmp_path, capsys, live_server, simulator
    ):
        figures_file = tmp_path / "figures.json"
        with worked(simulator, live_server.url):
            call_command(
                "replay", str(file), "--mix", demo=demo(), concurrency=4, json=figures_file
            )

        figures = json.loads(figures_file.read_text())
        assert list(figures["kinds"]) == [kind.name.lower() for kind in Kind]
        assert {kind["count"] for kind in figures["kinds"].values()} == {6}
        assert figures["agreeing"] - figures["prepared"] >= 4 * 6 - figures["refused"]
        assert figures["payouts_agreeing"] > 0
        assert figures["wallets_agreeing"] > 5
        assert (figures["unresolved"], figures["books_clean"]) == (0, True)
        told = capsys.readouterr().out
        assert "split tender" in told
        assert "check_books" in told

    def test_with_cards_alone_makes_no_wallet(self, file, demo, tmp_path, live_server, simulator):
        figures_file = tmp_path / "figures.json"
        with worked(simulator, live_server.url):
            call_command("replay", str(file), limit=10, demo=demo(), json=figures_file)

        figures = json.loads(figures_file.read_text())
        assert list(figures["kinds"]) == ["card"]
        assert figures["agreeing"] == 10
        assert "wallets_agreeing" not in figures

    def test_ends_with_an_error_where_the_provider_has_another_book(
        self, file, demo, capsys, live_server, simulator
    ):
        with (
            worked(simulator, live_server.url),
            empty_book() as url,
            pytest.raises(SystemExit) as ended,
        ):
            call_command("replay", str(file), limit=10, demo=demo(url))

        assert ended.value.code == 1
        assert "asks 1 cards; the provider has 0" in capsys.readouterr().err

    def test_finds_a_wallet_that_is_not_as_the_client_has_it(self, demo, books, live_server):
        merchant = Merchant(books[0].public_id, "Ann's", books[0].api_key)
        crew = Crew(live_server.url, size=1)
        run = Replay(crew, [merchant], run_id="one", is_mixed=True)
        run.prepare(some_of(Kind.TOP_UP))
        (wallet,) = run.wallets
        assert compare.wallets(crew, run.wallets, {wallet: 0}) == (1, [])

        fund(books[0], ids.decode("wallet", wallet), Money("0.01", "EUR"))

        agreeing, differing = compare.wallets(crew, run.wallets, {wallet: 0})
        assert agreeing == 0
        assert differing == [
            f"{wallet} has 1 available and 0 held; by the answers it must be 0 and 0"
        ]

    def test_says_that_nothing_is_running(self, file, tmp_path):
        with pytest.raises(CommandError, match="make run"):
            call_command("replay", str(file), demo=tmp_path / "none.json")
