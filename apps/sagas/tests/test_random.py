"""Whatever goes wrong, in any order: the run ends, and the books say what the outside did."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.sagas import services
from apps.sagas.tests import books, flow, outside
from apps.sagas.tests.outside import Fault
from apps.sagas.tests.test_crash import Axe, Killed
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS = st.lists(st.sampled_from([f for f in Fault if f is not Fault.QUIET]), max_size=4)
PLANS = st.fixed_dictionaries(
    {},
    optional={
        step: st.sampled_from(["refuse", "refuse_at_flush"])
        for step in ("reserve", "screen", "between_calls", "charged", "credit", "finish")
    },
)
# How many moments a turn lasts until its process is killed; none: it comes through.
KILLS = st.lists(st.none() | st.integers(1, 30), max_size=6)


class TestAnySequenceOfFaults:
    @settings(
        max_examples=300,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        plan=PLANS,
        faults=st.fixed_dictionaries(
            dict.fromkeys(("create", "confirm", "send", "refund"), FAULTS)
        ),
        blind=st.lists(st.booleans(), max_size=6),
        kills=KILLS,
        arrivals=st.sets(st.integers(0, 12)),
    )
    def test_ends_with_books_that_agree_with_the_outside(
        self, settle, time, plan, faults, blind, kills, arrivals
    ):
        company = outside.place(outside.Outside())
        company.look_up_faults.extend(blind)
        for call, planned in faults.items():
            company.plan(call, *planned)
        run, order = flow.start(**plan)

        for turn, moment in enumerate(kills):
            found = flow.run_of(order)
            if not flow.is_open(found):
                break
            flow.expire_leases()
            time.move_to(found.next_run_at)
            with Axe(company, moment or 0), suppress(Killed):
                services.advance(run_id=run.id)
            if turn in arrivals:
                company.arrive()
        ended = settle(order, turns=120)
        company.arrive()

        self.assert_agree(company, ended, order)

    def assert_agree(self, company, ended, order):
        found = flow.reload(order)
        assert ended.status in (Status.COMPLETED, Status.COMPENSATED)
        went_well = ended.status == Status.COMPLETED
        assert found.counters == (flow.DONE if went_well else flow.UNDONE)
        for call in ("create", "confirm", "send", "refund"):
            assert company.count(call) <= 1, call
        assert company.count("confirm") - company.count("refund") == found.charged
        assert company.count("send") >= found.shipped
        entries = books.entries_of(order)
        assert len(entries) == len(set(entries))
        calls = books.calls_of(order)
        assert not [call for call in calls if call[2] in ("PENDING", "UNKNOWN")]
        succeeded = [name for name, _, outcome in calls if outcome == "SUCCEEDED"]
        assert sorted(succeeded) == sorted(set(succeeded))
