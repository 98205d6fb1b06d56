"""Children and leftovers: nobody outlives what started it, and nobody else is touched."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from paysys.embedded import processes

# Starts a child of its own, says its pid, and waits for ever.
PARENT = """
import pathlib, sys, time
from paysys.embedded import processes
child = processes.spawn(["sleep", "60"], log=pathlib.Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(60)
"""
FAMILY = """
import subprocess, time
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def start(tmp_path):
    started, grandchildren = [], []

    def start_script(script):
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE
        )
        started.append(child)
        grandchildren.append(psutil.Process(int(child.stdout.readline())))
        return child, grandchildren[-1].pid

    yield start_script
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()
    for grandchild in grandchildren:
        with suppress(psutil.NoSuchProcess):
            grandchild.kill()


class TestSpawn:
    @pytest.mark.skipif(sys.platform != "linux", reason="a service of Linux")
    def test_child_of_a_killed_parent_ends(self, start):
        parent, child = start(PARENT)
        parent.send_signal(signal.SIGKILL)
        until(lambda: is_gone(child))

    def test_output_goes_to_the_log(self, tmp_path):
        child = processes.spawn(["echo", "a line"], log=tmp_path / "log")
        assert child.wait(5) == 0
        assert (tmp_path / "log").read_text() == "a line\n"

    def test_terminal_signals_do_not_reach_it(self, tmp_path):
        child = processes.spawn(["sleep", "60"], log=tmp_path / "log")
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
        processes.stop(child)
        assert child.returncode == -signal.SIGTERM

    def test_one_that_will_not_stop_is_killed(self, tmp_path):
        stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
        child = processes.spawn(["sh", "-c", stubborn], log=tmp_path / "log")
        until(lambda: (tmp_path / "log").read_text() == "ready\n")
        processes.stop(child, seconds=0.1)
        assert child.returncode == -signal.SIGKILL


class TestLeftovers:
    def test_ends_a_leftover_and_its_children(self, start):
        leftover, child = start(FAMILY)
        started_at = psutil.Process(leftover.pid).create_time()
        assert processes.end_trees([(leftover.pid, started_at)]) == 2
        assert leftover.wait(1) == -signal.SIGTERM
        assert is_gone(child)

    def test_does_not_touch_another_process_with_the_same_number(self, start):
        stranger, _ = start(FAMILY)
        started_at = psutil.Process(stranger.pid).create_time()
        assert processes.end_trees([(stranger.pid, started_at - 60)]) == 0
        assert stranger.poll() is None

    def test_finds_nothing_where_nothing_runs(self, start):
        gone, _ = start(FAMILY)
        started_at = psutil.Process(gone.pid).create_time()
        gone.kill()
        gone.wait()
        assert processes.end_trees([(gone.pid, started_at)]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
class TestInterruptOfAParent:
    def test_sees_a_handler(self):
        """Also where it has to be set: whoever is started in the background may have none."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            assert processes.catches_interrupt(os.getpid())
        finally:
            signal.signal(signal.SIGINT, before)

    def test_sees_that_there_is_none(self, start):
        _, sleeper = start(FAMILY)
        assert not processes.catches_interrupt(sleeper)
        assert not processes.catches_interrupt(2**22 + 1)
