"""A saga of the tests' own, with a step of every kind.

Nothing in a step says how it goes: that stands in the order's `plan`, which is read from the
database as a real order would be, so that it goes the same way in another thread or process.
`plan[step]` may be `refuse` (a business error at once), `refuse_at_flush` (one that the database
raises), `bug` or `bug_at_flush`; `review` makes SCREEN wait for an approval, `manual` makes SHIP
wait for one, `free` leaves CHARGE with nothing to do outside.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from apps.core import clock, db
from apps.sagas import selectors, services
from apps.sagas.definition import (
    Abort,
    Context,
    Decision,
    Local,
    Outcome,
    Ready,
    Remote,
    Saga,
    Skip,
    Wait,
    nothing,
)
from apps.sagas.models import Run
from apps.sagas.tests import books
from apps.sagas.tests.books import Order, Refused
from apps.sagas.tests.outside import calls
from apps.sagas.types import OPEN

REVIEW_SECONDS = 86_400
REFUND_AGAIN_SECONDS = 600
CREATE, CONFIRM, SEND, REFUND, INSPECT = calls("create", "confirm", "send", "refund", "inspect")


def _misbehave(context: Context, step: str) -> None:
    how = context.subject.plan.get(step)
    if how == "refuse":
        raise Refused(step)
    if how == "bug":
        raise RuntimeError(f"a bug in {step}")
    if how == "refuse_at_flush":
        db.write("SELECT sagas_test_refuse(%s)", (step,))
    if how == "bug_at_flush":
        db.write("SELECT 1 / 0")


def reserve(context: Context) -> None:
    books.change(context.subject, "reserve", reserved=1)
    _misbehave(context, "reserve")


def release(context: Context) -> None:
    books.change(context.subject, "release", reserved=-1)
    _misbehave(context, "release")


def screen(context: Context) -> Wait | None:
    order = context.subject
    if order.plan.get("review") and not order.is_approved:
        return Wait(context.now + timedelta(seconds=REVIEW_SECONDS), "review")
    books.change(order, "screen")
    _misbehave(context, "screen")
    return None


def charge(context: Context) -> Decision:
    _misbehave(context, "prepare_charge")
    if context.subject.plan.get("free"):
        return Skip()
    if "create" not in context.results:
        return Ready("create", {"amount": 100})
    _misbehave(context, "between_calls")
    if "confirm" not in context.results:
        return Ready("confirm", {"id": context.results["create"].provider_reference})
    return Skip()


def charged(context: Context) -> None:
    books.change(context.subject, "charged", charged=1)
    _misbehave(context, "charged")


def refund(context: Context) -> Decision:
    """Give back what CONFIRM took; a refusal is not the end, the money is the customer's."""
    taken = context.run.results.get("CHARGE", {}).get("confirm", {})
    answer = context.results.get("refund")
    if taken.get("outcome") != Outcome.SUCCEEDED:
        return Skip()
    if answer is None:
        return Ready("refund", {"id": taken["provider_reference"]})
    if answer.outcome is Outcome.SUCCEEDED:
        return Skip()
    if context.answered == "refund":
        until = context.now + timedelta(seconds=REFUND_AGAIN_SECONDS)
        return Wait(until, "refund_refused")
    return Ready("refund", {"id": taken["provider_reference"]})


def refunded(context: Context) -> None:
    books.change(context.subject, "refunded", charged=-context.subject.charged)
    _misbehave(context, "refunded")


def ship(context: Context) -> Decision:
    order = context.subject
    if order.plan.get("manual") and not order.is_approved:
        return Wait(context.now + timedelta(seconds=REVIEW_SECONDS), "order")
    return Skip() if "send" in context.results else Ready("send", {"to": "the customer"})


def shipped(context: Context) -> None:
    books.change(context.subject, "shipped", shipped=1)


def call_back(context: Context) -> None:
    books.change(context.subject, "call_back", shipped=-context.subject.shipped)


def credit(context: Context) -> None:
    books.change(context.subject, "credit", credited=1)
    _misbehave(context, "credit")


def debit(context: Context) -> None:
    books.change(context.subject, "debit", credited=-1)


def finish(context: Context) -> None:
    books.change(context.subject, "finish", finished=1)
    _misbehave(context, "finish")


def close(context: Context, abort: Abort) -> None:
    order = context.subject
    books.change(order, "close", closed=1)
    db.write(
        "UPDATE sagas_test_order SET abort_code = %s, decline_code = %s WHERE id = %s",
        (abort.code, abort.decline_code, order.id),
    )


REFUNDING = Remote(refund, calls=(REFUND,), then=refunded, undo=nothing)

PURCHASE = Saga(
    "purchase",
    (
        Local(reserve, undo=release),
        Local(screen, undo=nothing),
        Remote(charge, calls=(CREATE, CONFIRM), then=charged, undo=REFUNDING),
        Remote(ship, calls=(SEND,), then=shipped, undo=call_back),
        Local(credit, undo=debit),
        Local(finish, undo=nothing),
    ),
    journal=books.Journal(),
    load=books.load,
    on_abort=close,
    answer_after=frozenset({"CHARGE"}),
)
STEPS = ["RESERVE", "SCREEN", "CHARGE", "SHIP", "CREDIT", "FINISH"]
DONE = (1, 1, 1, 1, 1, 0)  # the counters of an order that went well
UNDONE = (0, 0, 0, 0, 0, 1)  # of one that was undone, and closed once


def start(**plan: object) -> tuple[Run, Order]:
    """Take an order and start its run, in one commit; the lease is ours."""
    order = Order(uuid4(), uuid4(), 1, dict(plan), is_approved=False)
    with db.unit():
        books.insert(order)
        run = services.start(
            saga="purchase", book_id=order.book_id, subject_id=order.id, now=clock.now()
        )
    return run, order


def begin(**plan: object) -> tuple[Run, Order]:
    """Start an order's run and work on it, as the web process does, until there is a pause."""
    run, order = start(**plan)
    return services.advance_started(run, subject=order, until_answer=False), order


def reload(order: Order) -> Order:
    return books.load(order.book_id, order.id)


def run_of(order: Order) -> Run:
    found = selectors.find(book_id=order.book_id, saga="purchase", subject_id=order.id)
    assert found is not None
    return found


def expire_leases() -> None:
    """What time does to the leases of the dead."""
    books.execute(
        "UPDATE sagas_run SET lease_until = clock_timestamp() - interval '1 second' "
        "WHERE lease_until IS NOT NULL"
    )


def is_open(run: Run) -> bool:
    return run.status in OPEN
