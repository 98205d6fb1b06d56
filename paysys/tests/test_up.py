"""`make run`'s decisions: ports, secrets, one copy per folder. The start itself is .ci's to try."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import psutil
import pytest

from paysys.embedded import folder
from paysys.up import announce, plan
from paysys.up.register import Register

HOLD = """
import pathlib, sys, time
from paysys.up.register import Register
Register(pathlib.Path(sys.argv[1])).take()
print("taken", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PAYSYS_DATA", str(tmp_path))
    for name in ("PORT", "SIMULATOR_PORT", *plan.GENERATED):
        monkeypatch.delenv(name, raising=False)


class TestPlan:
    def test_the_simulator_stands_beside_the_site(self, monkeypatch):
        monkeypatch.setenv("PORT", "9000")
        made = plan.make()
        assert (made.port, made.simulator_port) == (9000, 9001)

    @pytest.mark.parametrize("port", ["0", "65536", "-1", "web", "８０８０"])
    def test_a_port_is_a_number(self, monkeypatch, port):
        monkeypatch.setenv("PORT", port)
        with pytest.raises(plan.CannotStart, match="PORT"):
            plan.make()

    def test_secrets_outlive_a_restart(self):
        assert plan.make().secrets == plan.make().secrets

    def test_secrets_of_two_folders_differ(self, monkeypatch, tmp_path):
        here = plan.make().secrets
        monkeypatch.setenv("PAYSYS_DATA", str(tmp_path / "second"))
        there = plan.make().secrets
        assert not set(here.values()) & set(there.values())

    def test_secrets_are_for_us_alone(self, tmp_path):
        plan.make()
        assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600

    def test_a_secret_of_the_environment_goes_before_and_is_not_kept(self, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "theirs")
        assert plan.make().secrets["SECRET_KEY"] == "theirs"
        monkeypatch.delenv("SECRET_KEY")
        assert plan.make().secrets["SECRET_KEY"] != "theirs"

    def test_without_a_key_stripe_is_the_simulator(self):
        made = plan.make()
        env = made.environment(database="d", owner="o", redis="r")
        assert env["STRIPE_API_BASE"] == made.simulator_url

    def test_with_a_key_stripe_is_stripe(self, monkeypatch):
        monkeypatch.setenv("STRIPE_API_KEY", "sk_test_of_somebody")
        env = plan.make().environment(database="d", owner="o", redis="r")
        assert (env["STRIPE_API_KEY"], env["STRIPE_API_BASE"]) == ("sk_test_of_somebody", "")

    def test_the_environment_has_nothing_of_up_itself(self):
        env = plan.make().environment(database="d", owner="o", redis="r")
        assert all(name.isupper() for name in env)

    def test_a_taken_port_is_named_before_anything_starts(self, monkeypatch):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
            with pytest.raises(plan.CannotStart, match=r"is taken.*PORT="):
                plan.refuse_taken_ports(plan.make())


class TestRegister:
    @pytest.fixture
    def holder(self, tmp_path):
        script = [sys.executable, "-c", HOLD, str(tmp_path)]
        with subprocess.Popen(script, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"taken\n"
            yield child
            child.kill()

    def test_a_second_copy_on_the_folder_is_refused(self, holder, tmp_path):
        with pytest.raises(plan.CannotStart, match="already running"):
            Register(tmp_path).take()
        assert holder.poll() is None

    def test_a_folder_is_free_after_a_kill(self, holder, tmp_path):
        holder.kill()
        holder.wait()
        Register(tmp_path).take()
        (entry,) = json.loads((tmp_path / "up.json").read_text())
        assert entry["pid"] == os.getpid()

    def test_what_a_killed_copy_left_is_ended(self, tmp_path):
        with subprocess.Popen(["sleep", "60"]) as left:
            started_at = psutil.Process(left.pid).create_time()
            entries = [{"name": "web", "pid": left.pid, "started_at": started_at}]
            plan.write_private(tmp_path / "up.json", entries)
            Register(tmp_path).take()
            assert left.wait(1) == -signal.SIGTERM

    @pytest.mark.parametrize("torn", ["", "[", '[{"name": "web"'])
    def test_a_torn_file_stops_nobody(self, tmp_path, torn):
        (tmp_path / "up.json").write_text(torn)
        Register(tmp_path).take()


class TestDataFolder:
    def test_is_another_for_each_checkout(self, monkeypatch, tmp_path):
        monkeypatch.delenv("PAYSYS_DATA")
        here = folder.data_folder()
        monkeypatch.setattr(folder, "CHECKOUT", tmp_path)
        assert folder.data_folder() != here

    def test_lets_nobody_look(self, tmp_path):
        made = folder.make_folder(tmp_path / "one" / "two")
        assert [stat.S_IMODE(p.stat().st_mode) for p in (made, made.parent)] == [0o711, 0o711]


class TestAnnouncement:
    @pytest.fixture
    def facts(self):
        seed = {
            "merchants": [{"id": "merchant_1", "name": "Ann's", "api_key": "sk_test_1"}],
            "logins": [{"username": "admin", "password": "pw"}],
        }
        return announce.demo_facts(plan.make(), seed, {"DATABASE_URL": "d"})

    def test_the_file_has_what_a_program_needs(self, facts):
        assert set(facts) == {
            *("api_url", "api_key", "console_url", "logins"),
            *("simulator_url", "merchants", "env"),
        }

    def test_the_table_has_what_a_person_needs(self, facts):
        table = announce.table(plan.make(), facts)
        for needed in ("http://127.0.0.1:8000/v1", "admin", "pw", "sk_test_1", "curl "):
            assert needed in table

    def test_the_curl_can_be_pasted(self, facts, tmp_path):
        """A shell gives it to `curl` as one command with the body as one word."""
        (tmp_path / "curl").write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
        (tmp_path / "curl").chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", announce.curl(plan.make(), "sk_test_1")],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        words = done.stdout.splitlines()
        assert words[0] == "http://127.0.0.1:8000/v1/payments"
        assert json.loads(words[-1])["amount"] == 10000
