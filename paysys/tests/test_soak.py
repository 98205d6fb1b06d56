"""The soak's own parts: what it draws, the wire it breaks, and the differences it must see."""

import json
import os
import socket
import subprocess
import sys
import threading
import traceback
import urllib.request
from collections import Counter
from contextlib import closing, contextmanager

import pytest

from paysys.embedded.folder import CHECKOUT
from paysys.embedded.redis import free_port
from paysys.replay.client import Answer
from paysys.soak import faults, journal, stories
from paysys.soak.mutants import MUTANTS
from paysys.soak.parts import Part
from paysys.soak.proxy import Wire
from paysys.soak.run import broken
from paysys.soak.shopper import heard_in, is_final
from paysys.soak.sink import Sink


class TestWhatIsDrawn:
    def test_faults_are_the_same_for_the_same_seed(self):
        assert list(faults.schedule(7, 60)) == list(faults.schedule(7, 60))
        assert list(faults.schedule(7, 60)) != list(faults.schedule(8, 60))

    def test_every_fault_comes_once_before_any_comes_twice(self):
        drawn = Counter(faults.schedule(7, len(faults.KINDS)))
        assert drawn == Counter(dict.fromkeys(faults.KINDS, 1))

    def test_of_some_kinds_alone_if_so_told(self):
        assert set(faults.schedule(7, 9, kinds=("kill_web", "cut_database"))) == {
            "kill_web",
            "cut_database",
        }

    def test_stories_are_the_same_for_the_same_seed(self):
        told, again = ([stories.tale_of(7, n)[0] for n in range(50)] for _ in range(2))
        assert told == again

    def test_there_are_as_many_stories_as_the_payments_need(self):
        count = stories.count_until(7, 40)
        with_payment = [
            n for n in range(count) if stories.tale_of(7, n)[0] not in stories.WITHOUT_PAYMENT
        ]
        assert len(with_payment) == 40


@contextmanager
def an_echo():
    """A server on a free port that sends everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(peer,), daemon=True).start()

        def echo(peer):
            with closing(peer):
                while data := peer.recv(1024):
                    peer.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def wire():
    with an_echo() as port:
        wire = Wire(free_port(), port)
        wire.start()
        yield wire


def is_closed(peer):
    try:
        return peer.recv(1) == b""
    except ConnectionError:
        return True


class TestAWire:
    def test_passes_on_what_it_gets(self, wire):
        with socket.create_connection(("127.0.0.1", wire.listen), timeout=10) as peer:
            for word in (b"one", b"two"):
                peer.sendall(word)
                assert peer.recv(10) == word

    def test_that_is_cut_ends_every_connection_and_takes_new_ones(self, wire):
        with socket.create_connection(("127.0.0.1", wire.listen), timeout=10) as peer:
            peer.sendall(b"one")
            assert peer.recv(10) == b"one"
            wire.cut()
            assert is_closed(peer)
        with socket.create_connection(("127.0.0.1", wire.listen), timeout=10) as peer:
            peer.sendall(b"two")
            assert peer.recv(10) == b"two"

    def test_that_refuses_lets_nobody_through_until_it_is_healed(self, wire):
        wire.refuse(seconds=3600)
        with socket.create_connection(("127.0.0.1", wire.listen), timeout=10) as peer:
            assert is_closed(peer)
        wire.heal()
        with socket.create_connection(("127.0.0.1", wire.listen), timeout=10) as peer:
            peer.sendall(b"one")
            assert peer.recv(10) == b"one"


class TestTheJournal:
    def test_tells_of_every_key_what_was_asked_and_answered(self, tmp_path):
        book = journal.Journal(tmp_path / "journal")
        asked = {"key": "k1", "merchant": "m", "path": "/v1/payments", "body": {"amount": 5}}
        book.write(asks="pay", **asked)
        book.write(key="k1", lost="ConnectionResetError")
        book.write(fault="kill_web")
        book.write(asks="pay", **asked)
        body = {"object": "payment", "id": "pay_1", "status": "AUTHORIZED"}
        book.write(key="k1", **heard_in(Answer(201, body, 0.1)))
        book.close()

        [found] = journal.read(tmp_path / "journal").values()

        assert (found.kind, found.requests, found.named) == ("pay", 2, {"pay_1"})
        assert found.is_done
        assert len(book.tail()) == 5

    @pytest.mark.parametrize(
        ("status", "code", "final"),
        [
            (201, "", True),
            (202, "", False),
            (402, "card_declined", True),
            (409, "refund_exceeds_remaining", True),
            (409, "idempotency_key_in_use", False),
            (429, "rate_limited", False),
            (503, "unavailable", False),
        ],
    )
    def test_knows_which_answers_are_for_good(self, status, code, final):
        body = {"error": {"code": code}} if code else {}
        assert is_final(Answer(status, body, 0.1)) is final


class TestAPart:
    @pytest.fixture
    def part(self, tmp_path):
        part = Part("web", ["sleep", "60"], log=tmp_path / "log", env=dict(os.environ))
        yield part
        part.kill()

    def test_that_ends_by_itself_is_started_again_and_told(self, part):
        part.command = ["sh", "-c", "exit 3"]
        part.start()
        part.child.wait(20)
        part.command = ["sleep", "60"]

        assert part.revive() == "web ended by itself: 3"
        assert (part.is_running, part.revive()) == (True, None)

    def test_that_a_fault_ended_and_started_has_not_ended_by_itself(self, part):
        part.start()
        part.kill()
        part.start()
        assert part.revive() is None


def test_an_answer_that_nobody_foresaw_is_a_violation_and_one_of_a_part_that_is_away_is_not():
    answers = {"pay 201": 7, "pay 503 unavailable": 3, "pay 500 internal_error": 2}
    assert broken(answers) == ["broken: pay 500 internal_error, 2 times"]


class TestASink:
    def event(self, id_, sequence, about="pay_1"):
        return {"id": id_, "sequence": sequence, "data": {"object": {"id": about}}}

    @pytest.fixture
    def sink(self):
        sink = Sink()
        sink.start()
        yield sink
        sink.stop()

    def test_takes_what_is_sent_and_misses_what_is_not(self, sink):
        body = json.dumps(self.event("evt_1", 1)).encode()
        urllib.request.urlopen(sink.url, data=body, timeout=10).close()

        assert list(sink.missing({"evt_1", "evt_2"})) == ["evt_2"]

    def test_sees_an_object_told_in_another_order_but_not_one_told_again(self, sink):
        for event in (self.event("evt_1", 1), self.event("evt_2", 2), self.event("evt_1", 1)):
            sink.take(event)
        assert (sink.repeated, sink.out_of_order) == (1, [])

        sink.take(self.event("evt_4", 4))
        sink.take(self.event("evt_3", 3))
        assert sink.out_of_order == ["pay_1: 3 after 4"]


@pytest.mark.parametrize("name", MUTANTS)
class TestAMutant:
    def test_changes_something_that_is_there(self, name):
        """In a process of its own, since nobody takes it back."""
        child = os.fork()
        if child == 0:
            try:
                MUTANTS[name].plant()
            except BaseException:  # noqa: BLE001  told, and the child ends here
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_says_what_it_does_and_names_faults_that_there_are(self, name):
        assert MUTANTS[name].says
        assert set(MUTANTS[name].faults) <= set(faults.KINDS)


class TestTheSettingsOfASoak:
    def test_are_refused_in_live_mode(self):
        done = subprocess.run(
            [sys.executable, "-c", "import paysys.soak.settings"],
            env={**os.environ, "PAYSYS_MODE": "live"},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "for test mode alone" in done.stderr

    def test_are_named_by_nobody_else(self):
        """No process has them but those that a soak starts."""
        sources = [*(CHECKOUT / "paysys").rglob("*.py"), *(CHECKOUT / "apps").rglob("*.py")]
        named = {
            path.relative_to(CHECKOUT).as_posix()
            for path in sources
            if "paysys.soak.settings" in path.read_text() and "tests" not in path.parts
        }
        assert named == {f"paysys/soak/{name}.py" for name in ("apps", "mutants", "stack")}
