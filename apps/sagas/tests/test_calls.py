"""What a call may end as, and what follows from each: three values, and never a guess."""

import pytest

from apps.sagas import patience, services
from apps.sagas.tests import books, flow
from apps.sagas.tests.outside import HORIZON_SECONDS
from apps.sagas.types import Status

pytestmark = pytest.mark.django_db(transaction=True)

SCHEDULE = [1, 2, 5, 15, 30, 60, 300, 900, 3600, 3600, 3600, 3600, 3600, 3600]


def key(order, call="create", generation=1, step="CHARGE"):
    return f"{order.id}:{step}.{call}:{generation}"


def go_on(order, time):
    """Come back when the run is due."""
    run = flow.run_of(order)
    time.move_to(run.next_run_at)
    again = services.advance(run_id=run.id)
    assert again is not None
    return again


class TestDeclined:
    def test_undoes_the_run_with_the_providers_code(self, company):
        company.plan("confirm", "decline")

        run, order = flow.begin()

        assert run.status == Status.COMPENSATED
        assert run.abort == {
            "code": "insufficient_funds",
            "message": "Declined.",
            "decline_code": "insufficient_funds",
        }
        assert flow.reload(order).decline_code == "insufficient_funds"
        assert flow.reload(order).counters == flow.UNDONE

    def test_is_undone_in_the_commit_that_records_it(self, company):
        company.plan("confirm", "decline")

        _, order = flow.begin()

        assert books.commits_of(order) == [["reserve", "screen"], ["refunded", "release", "close"]]

    def test_asks_for_nothing_back_that_was_never_taken(self, company):
        company.plan("confirm", "decline")

        _, order = flow.begin()

        assert company.count("refund") == 0
        assert books.calls_of(order) == [("create", 1, "SUCCEEDED"), ("confirm", 1, "FAILED")]

    def test_late_in_the_flow_gives_back_what_was_taken(self, company):
        company.plan("send", "decline")

        _, order = flow.begin()

        assert [company.count(call) for call in ("confirm", "send", "refund")] == [1, 0, 1]
        assert books.entries_of(order) == [
            *("reserve", "screen", "charged", "call_back", "refunded", "release", "close"),
        ]


class TestUnknown:
    def test_is_looked_up_on_schedule_for_as_long_as_it_takes(self, company, time):
        company.blind = True
        company.plan("create", "timeout_after")
        _, order = flow.begin()

        delays = []
        for _ in SCHEDULE:
            found = flow.run_of(order)
            delays.append((found.next_run_at - time.now()).total_seconds())
            assert (found.status, found.lease_until) == (Status.IN_PROGRESS, None)
            go_on(order, time)

        assert delays == SCHEDULE
        assert company.sent == [key(order)]
        assert company.looked_up == [key(order)] * len(SCHEDULE)

    def test_undoes_nothing_and_does_nothing_else(self, company, time):
        company.blind = True
        company.plan("confirm", "timeout_after")
        _, order = flow.begin()
        before = flow.reload(order)
        for _ in range(patience.RETRY_LIMIT + 2):
            go_on(order, time)

        assert flow.reload(order) == before
        assert flow.run_of(order).abort is None
        assert books.calls_of(order) == [("create", 1, "SUCCEEDED"), ("confirm", 1, "UNKNOWN")]
        assert company.count("refund") == 0

    def test_is_not_looked_up_before_it_is_due(self, company, time):
        company.plan("create", "timeout_after")
        run, _ = flow.begin()

        assert services.advance(run_id=run.id) is None
        assert services.sweep() == 0
        assert company.looked_up == []

    def test_that_succeeded_goes_on_from_there(self, company, time):
        company.plan("confirm", "timeout_after")
        _, order = flow.begin()

        done = go_on(order, time)

        assert (done.status, done.look_ups, done.last_error) == (Status.COMPLETED, 0, "")
        assert flow.reload(order).counters == flow.DONE
        assert company.keys("confirm") == [key(order, "confirm")]
        assert books.commits_of(order)[1] == ["charged"]

    def test_that_was_declined_is_undone(self, company, time):
        company.plan("confirm", "decline")
        company.after_send = lambda intent: (_ for _ in ()).throw(OSError("the answer is lost"))
        run, order = flow.start()
        services.advance_started(run, subject=order)
        company.after_send = lambda intent: None
        company.plan("create", "ok")

        go_on(order, time)  # finds create done, and is declined at confirm

        assert flow.reload(order).counters == flow.UNDONE
        assert flow.reload(order).decline_code == "insufficient_funds"

    def test_that_never_arrived_is_sent_again_under_the_same_key(self, company, time):
        company.plan("confirm", "timeout_before")
        _, order = flow.begin()

        done = go_on(order, time)

        assert done.status == Status.COMPLETED
        assert company.keys("confirm") == [key(order, "confirm")] * 2
        assert company.looked_up == [key(order, "confirm")]
        assert company.count("confirm") == 1
        assert ("confirm", 1, "SUCCEEDED") in books.calls_of(order)

    def test_starts_its_schedule_anew_at_the_next_call(self, company, time):
        company.blind = True
        company.plan("create", "timeout_after")
        company.plan("confirm", "timeout_after")
        _, order = flow.begin()
        for _ in range(4):
            go_on(order, time)
        company.blind = False
        at_confirm = go_on(order, time)

        assert at_confirm.look_ups == 1
        assert (at_confirm.next_run_at - time.now()).total_seconds() == 1


class TestAnsweredWithAnError:
    """A 5xx: look up first; what was answered is no longer under way."""

    def test_after_the_effect_is_found_and_not_repeated(self, company, time):
        company.plan("confirm", "error_after")
        _, order = flow.begin()

        done = go_on(order, time)

        assert done.status == Status.COMPLETED
        assert company.keys("confirm") == [key(order, "confirm")]
        assert company.count("confirm") == 1

    def test_before_the_effect_is_tried_under_a_new_key(self, company, time):
        """The old key would replay its saved 500 for ever."""
        company.plan("confirm", "error_before")
        _, order = flow.begin()

        done = go_on(order, time)

        assert done.status == Status.COMPLETED
        assert company.keys("confirm") == [key(order, "confirm"), key(order, "confirm", 2)]
        assert company.count("confirm") == 1
        assert books.calls_of(order) == [
            ("create", 1, "SUCCEEDED"),
            ("confirm", 1, "ABSENT"),
            ("confirm", 2, "SUCCEEDED"),
            ("send", 2, "SUCCEEDED"),
        ]

    def test_gets_no_new_key_while_no_look_up_has_proved_it(self, company, time):
        company.plan("confirm", "error_before")
        company.blind = True
        _, order = flow.begin()
        for _ in range(5):
            go_on(order, time)

        assert company.keys("confirm") == [key(order, "confirm")]

    def test_for_hours_is_asked_less_and_less_often(self, company, time):
        company.plan("create", *["error_before"] * 20)
        _, order = flow.begin()

        delays = []
        for _ in range(10):
            delays.append((flow.run_of(order).next_run_at - time.now()).total_seconds())
            go_on(order, time)

        assert delays == SCHEDULE[:10]
        assert company.keys("create") == [key(order, generation=n) for n in range(1, 12)]
        assert company.count("create") == 0


class TestUnderWay:
    """A request that timed out may still arrive: it must not find a second one already made."""

    @pytest.mark.parametrize("second", ["unsaved_error", "unsent"])
    def test_the_end_of_the_second_request_proves_nothing_about_the_first(
        self, company, settle, time, second
    ):
        company.plan("confirm", "late", second)
        _, order = flow.begin()
        go_on(order, time)  # absent: sent again, answered with a 503 or not sent at all
        go_on(order, time)  # absent again
        company.arrive()
        settle(order)

        assert company.count("confirm") == 1
        assert set(company.keys("confirm")) == {key(order, "confirm")}
        assert flow.reload(order).counters == flow.DONE

    def test_an_error_to_a_look_up_proves_nothing_about_the_call(self, company, settle, time):
        company.plan("confirm", "late")
        company.look_up_faults.append(True)
        _, order = flow.begin()
        go_on(order, time)  # the look-up is answered with a 500
        go_on(order, time)  # absent
        company.arrive()
        settle(order)

        assert company.count("confirm") == 1
        assert set(company.keys("confirm")) == {key(order, "confirm")}


class TestSpentKey:
    """The first request failed, its answer was lost, and is repeated now: that one is over."""

    def test_is_followed_by_a_new_key_at_once(self, company, time):
        company.plan("confirm", "error_lost")
        _, order = flow.begin()

        done = go_on(order, time)

        assert done.status == Status.COMPLETED
        assert company.keys("confirm") == [key(order, "confirm", n) for n in (1, 1, 2)]
        assert company.count("confirm") == 1
        assert ("confirm", 1, "ABSENT") in books.calls_of(order)


class TestHorizon:
    """How long the other side honors a key."""

    def test_inside_it_the_same_key_is_sent_again(self, company, time):
        company.plan("create", "timeout_before")
        _, order = flow.begin()
        time.forward(seconds=HORIZON_SECONDS - 1)

        go_on(order, time)

        assert company.keys("create") == [key(order)] * 2

    def test_beyond_it_a_look_up_comes_first_and_then_a_new_key(self, company, time):
        company.plan("create", "timeout_before")
        _, order = flow.begin()
        time.forward(seconds=HORIZON_SECONDS + 1)

        done = go_on(order, time)

        assert done.status == Status.COMPLETED
        assert company.keys("create") == [key(order), key(order, generation=2)]
        assert company.looked_up == [key(order)]

    def test_beyond_it_nothing_is_sent_that_cannot_be_looked_up(self, company, time):
        company.blind = True
        company.plan("create", "timeout_after")
        _, order = flow.begin()
        time.forward(seconds=HORIZON_SECONDS + 1)
        for _ in range(3):
            go_on(order, time)

        assert company.sent == [key(order)]


class TestUnsent:
    """It never left this machine: nothing to look up, and no reason to hurry."""

    def test_is_tried_again_later_under_a_new_key(self, company, time):
        company.plan("create", "unsent", "unsent", "unsent")
        _, order = flow.begin()

        delays = []
        for _ in range(3):
            delays.append((flow.run_of(order).next_run_at - time.now()).total_seconds())
            done = go_on(order, time)

        assert delays == [1, 2, 5]
        assert company.looked_up == []
        assert done.status == Status.COMPLETED
        assert company.count("create") == 1
        assert company.keys("create") == [key(order, generation=n) for n in (1, 2, 3, 4)]


class TestUndoOutside:
    """Compensation with a call of its own: the same three values, and it never gives up."""

    def test_unknown_is_looked_up_and_nothing_else_is_undone_meanwhile(self, company, time):
        company.plan("refund", "timeout_after")
        company.blind = True
        _, order = flow.begin(credit="refuse")
        for _ in range(patience.RETRY_LIMIT + 2):
            found = go_on(order, time)
            assert (found.status, found.current_step) == (Status.COMPENSATING, "CHARGE")

        assert books.entries_of(order)[-1] == "call_back"
        assert flow.reload(order).reserved == 1
        company.blind = False
        done = go_on(order, time)
        assert done.status == Status.COMPENSATED
        assert flow.reload(order).counters == flow.UNDONE
        assert company.count("refund") == 1

    def test_that_never_arrived_is_sent_again_under_the_same_key(self, company, time):
        company.plan("refund", "timeout_before")
        _, order = flow.begin(credit="refuse")

        go_on(order, time)

        assert company.keys("refund") == [key(order, "refund", step="CHARGE~REFUND")] * 2
        assert flow.reload(order).counters == flow.UNDONE

    def test_refused_is_tried_again_under_a_new_key_until_it_ends(self, company, time):
        company.plan("refund", *["decline"] * 20)
        _, order = flow.begin(credit="refuse")
        during = []
        company.before_send = lambda intent: during.append(flow.run_of(order).waiting_for)
        for _ in range(20):
            found = flow.run_of(order)
            assert (found.status, found.waiting_for) == (Status.COMPENSATING, "refund_refused")
            assert (found.next_run_at - time.now()).total_seconds() == flow.REFUND_AGAIN_SECONDS
            assert flow.reload(order).closed == 0
            done = go_on(order, time)

        assert (done.status, done.waiting_for) == (Status.COMPENSATED, "")
        assert set(during) == {""}
        assert company.count("refund") == 1
        assert company.keys("refund") == [
            key(order, "refund", n, step="CHARGE~REFUND") for n in range(1, 22)
        ]
        assert flow.reload(order).counters == flow.UNDONE

    def test_does_not_change_why_the_run_was_undone(self, company, time):
        company.plan("refund", "decline")
        _, order = flow.begin(credit="refuse")
        done = go_on(order, time)

        assert done.abort["code"] == "refused"
        assert flow.reload(order).decline_code == ""
