"""What happens by itself: refunds settle or fail, payouts arrive, authorizations end."""

from collections.abc import Callable

from . import debits, intents, payouts, refunds
from .paypal import orders as paypal_orders
from .paypal import payments as paypal_payments
from .store import Record
from .world import World


def _expire(world: World, intent: Record) -> None:
    if intent.body["status"] == "requires_capture":
        intents.expire(world, intent)


_WHAT: dict[str, Callable[[World, Record], None]] = {
    "refund_succeeds": refunds.succeed,
    "refund_fails": refunds.fail,
    "payout_arrives": payouts.arrive,
    "payout_fails": payouts.fail,
    "debit_is_answered": debits.answer,
    "expire": _expire,
    "paypal_review_passes": paypal_orders.pass_review,
    "paypal_capture_completes": paypal_payments.complete,
    "paypal_refund_completes": paypal_payments.complete_refund,
    "paypal_refund_fails": paypal_payments.fail_refund,
    "paypal_expires": paypal_payments.expire,
}
# What waits for somebody else and may as well happen now; authorizations end in their own time.
SOON = tuple(what for what in _WHAT if what not in ("expire", "paypal_expires"))
_BATCH = 100


def run_due(world: World, *, all_kinds: tuple[str, ...] = ()) -> int:
    """Carry out what is due, or everything of `all_kinds`; one transaction. Returns how many."""
    marks = ", ".join("?" * len(all_kinds))
    with world.store.unit():
        due = world.store.rows(
            f"SELECT seq, what, object_id FROM later WHERE due_at <= ? OR what IN ({marks})"  # noqa: S608
            " ORDER BY due_at, seq LIMIT ?",
            (world.now(), *all_kinds, _BATCH),
        )
        for seq, what, object_id in due:
            world.store.write("DELETE FROM later WHERE seq = ?", (seq,))
            record = world.store.find(object_id)
            if record is not None:
                _WHAT[what](world, record)
    if due:
        world.has_news.set()
    return len(due)
