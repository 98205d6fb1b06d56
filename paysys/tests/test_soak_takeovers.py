"""How long a run stood still after its holder was killed, by what the soak's database notes."""

import json

import pytest

from paysys.soak import takeovers
from paysys.soak.takeovers import Takeover


def lost_at(killed_at, *, taken_at, lease=28.0, worked_at=None):
    """A run that was last written `worked_at` (just before the kill), and held for `lease`."""
    written = killed_at - 0.2 if worked_at is None else worked_at
    return Takeover(written_at=written, lease_until=written + lease, taken_at=taken_at)


@pytest.fixture
def endings(tmp_path):
    def of(**faults):
        lines = [{"at": at, "fault": kind} for kind, at in faults.items()]
        path = tmp_path / "journal"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return takeovers.endings(path)

    return of


class TestARunWhoseHolderWasKilled:
    def test_stood_still_from_the_kill_until_it_was_taken(self, endings):
        run = lost_at(100.0, taken_at=128.5)
        assert takeovers.resumed([run], endings(kill_worker=100.0)) == [28.5]

    def test_is_told_by_the_first_of_several_kills(self, endings):
        run = lost_at(100.0, taken_at=129.0)
        killed = endings(kill_worker=100.0, kill_web=110.0, kill_both_workers=140.0)
        assert takeovers.resumed([run], killed) == [29.0]

    def test_may_have_worked_on_for_a_moment_after_it_was_told_to_end(self, endings):
        run = lost_at(104.0, taken_at=130.0, lease=25.0)
        assert takeovers.resumed([run], endings(restart_worker=101.0)) == [29.0]

    def test_may_not_have_written_since_it_took_the_lease(self, endings):
        run = Takeover(written_at=20.0, lease_until=125.0, taken_at=126.0)
        assert takeovers.resumed([run], endings(kill_web=101.0)) == [25.0]

    def test_is_not_one_that_was_taken_from_somebody_else(self, endings):
        """Whose holder began after the kill, or lost the database and not its life."""
        run = lost_at(100.0, taken_at=128.0)
        assert takeovers.resumed([run], endings(kill_web=90.0, kill_worker=140.0)) == []
        assert takeovers.resumed([run], endings(drop_connections=100.0)) == []
