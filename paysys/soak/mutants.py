"""Known bugs, each of which a soak must see: a suite that cannot fail proves nothing.

A mutant changes one thing in the processes of a soak, at their start (`paysys.soak.settings`).
What it changes is named by path: nothing here may be imported by what it changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from uuid import uuid4

MUTANTS: dict[str, Mutant] = {}


@dataclass(frozen=True)
class Mutant:
    """`sql` is done to the soak's own database; with `lease_seconds` leases are that short.

    `faults` are the kinds that bring it out, where any would take too long.
    """

    name: str
    says: str
    plant: Callable[[], None]
    sql: tuple[str, ...] = ()
    lease_seconds: float = 0.0
    faults: tuple[str, ...] = ()


def _is_a_mutant(**facts: Any) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(plant: Callable[[], None]) -> Callable[[], None]:
        says = (plant.__doc__ or "").strip().rstrip(".")
        MUTANTS[plant.__name__] = Mutant(plant.__name__, says, plant, **facts)
        return plant

    return register


def _change(path: str, build: Callable[[Any], Any]) -> None:
    """Put something else in the place that `path` names; `build` is given what was there."""
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    owner: Any = import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    before = getattr(owner, name)
    after = build(before)
    assert after != before, f"{path}: nothing would change"
    setattr(owner, name, after)


_STRIPE_ASKS = "apps.gateways.providers.stripe:Stripe._ask"
_PAYPAL_POSTS = "apps.gateways.providers.paypal:PayPal._post"


def _with_keys(key_of: Callable[[str], str]) -> None:
    """Let both providers hear another key than the one that was promised."""

    def build(ask: Any) -> Any:
        def asks(self: Any, *facts: Any) -> Any:
            *others, op_key = facts if _has_key(ask, facts) else (*facts, "")
            return ask(self, *others, key_of(op_key) if op_key else "")

        return asks

    _change(_STRIPE_ASKS, build)
    _change(_PAYPAL_POSTS, build)


def _has_key(ask: Any, facts: tuple[Any, ...]) -> bool:
    return len(facts) + 1 == ask.__code__.co_argcount


@_is_a_mutant()
def no_provider_key() -> None:
    """Providers are sent no idempotency key."""
    _with_keys(lambda _: "")


@_is_a_mutant()
def key_per_attempt() -> None:
    """Every attempt of a call has a key of its own."""
    _with_keys(lambda op_key: f"{op_key[:200]}:{uuid4().hex}")


_WITHOUT_ONE_OBJECT = (
    "DROP INDEX gateways_provider_call_one_object",
    "DROP TRIGGER gateways_provider_call_promise ON gateways_provider_call",
)


@_is_a_mutant(sql=_WITHOUT_ONE_OBJECT)
def fallback_on_timeout() -> None:
    """A payment whose confirmation has no answer goes to the next provider."""
    outcome = import_module("apps.sagas.definition").Outcome
    rerouting = import_module("apps.payments.sagas.rerouting")

    def build(record: Any) -> Any:
        def records(turn: Any, observation: Any, now: Any) -> Any:
            is_lost = turn.intent.call == "confirm" and observation.outcome is outcome.UNKNOWN
            is_lost = is_lost and turn.run.saga == "charge" and turn.run.abort is None
            if is_lost:
                observation = replace(observation, outcome=outcome.ABSENT)
            goes_on = record(turn, observation, now)
            if is_lost and rerouting.go_elsewhere(turn._context(now), why="never_sent"):
                turn.run.results.pop("AUTHORIZE", None)
            return goes_on

        return records

    _change("apps.sagas.engine:Turn._record", build)
    _change("apps.gateways.selectors:is_nowhere", lambda _: lambda **_: True)


@_is_a_mutant()
def timeout_means_failed() -> None:
    """A call without an answer counts as refused."""
    definition = import_module("apps.sagas.definition")

    def build(unknown: Any) -> Any:
        def told(error: Any, *, is_first: bool) -> Any:
            observation = unknown(error, is_first=is_first)
            return replace(observation, outcome=definition.Outcome.FAILED, unsent=False)

        return told

    _change("apps.gateways.services.calls:_unknown", build)


@_is_a_mutant()
def post_on_webhook_and_response() -> None:
    """News of a payment that was captured books the capture, as its answer did."""
    ledger = import_module("apps.ledger.services")
    types = import_module("apps.ledger.types")
    chart = import_module("apps.ledger.chart")
    payments = import_module("apps.payments.selectors")

    def build(nudge: Any) -> Any:
        def nudges(owner: Any, topic: Any, event: Any, now: Any) -> Any:
            if event.kind in ("payment_intent.succeeded", "PAYMENT.CAPTURE.COMPLETED"):
                payment = payments.get(owner.book_id, owner.payment_id)
                amount = payment.money(payment.card_amount)
                clearing = chart.provider_clearing(event.provider)
                ledger.post(
                    book_id=owner.book_id,
                    reference=f"capture:{event.event_id}",
                    kind="capture",
                    lines=[
                        types.debit(clearing, amount),
                        types.credit(chart.PAYMENT_UNALLOCATED, amount),
                    ],
                    occurred_at=now,
                )
            return nudge(owner, topic, event, now)

        return nudges

    _change("apps.payments.services.news:_nudge_about", build)


_WITHOUT_BUDGET = tuple(
    f"ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_{name}"
    for name in ("money_out_budget", "tenders", "fee", "credit")
)


@_is_a_mutant(sql=_WITHOUT_BUDGET)
def refund_check_without_lock() -> None:
    """What may be refunded is read before the payment is locked, and nothing else guards it."""
    models = import_module("apps.payments.models")
    refundable = models.Payment.refundable

    def build(lock: Any) -> Any:
        def locks(book_id: Any, payment_id: Any) -> Any:
            seen = models.Payment.objects.get(book_id=book_id, id=payment_id)
            time.sleep(0.1)
            payment = lock(book_id, payment_id)
            payment.seen_refundable = refundable.__get__(seen)
            return payment

        return locks

    models.Payment.refundable = property(
        lambda payment: getattr(payment, "seen_refundable", None) or refundable.__get__(payment)
    )
    _change("apps.payments.selectors:lock", build)


@_is_a_mutant()
def hold_released_on_unknown() -> None:
    """A payment whose call has no answer lets go of the wallet's part."""
    capturing = import_module("apps.payments.sagas.capturing")

    def build(record: Any) -> Any:
        def records(turn: Any, observation: Any, now: Any) -> Any:
            is_known = record(turn, observation, now)
            if not is_known and turn.saga.name == "charge" and turn.run.look_ups == 1:
                capturing.release(turn.subject, now)
            return is_known

        return records

    _change("apps.sagas.engine:Turn._record", build)


@_is_a_mutant()
def bell_instead_of_sweeper() -> None:
    """Only a bell makes a worker look; nobody sweeps."""
    _change("apps.sagas.services:sweep", lambda _: lambda **_: 0)


_FREEZES = (
    *("freeze_worker", "freeze_web", "freeze_simulator", "slow_database", "slow_providers"),
    *("cut_providers", "late_effects"),
)


@_is_a_mutant(lease_seconds=1.0, faults=_FREEZES)
def fence_ignored() -> None:
    """Whoever lost the lease of a run writes its position all the same."""
    unguarded = "fence = CASE WHEN %s IS NULL OR %s IS NULL THEN NULL ELSE fence END"
    for statement in ("_SAVE", "_HOLD"):
        _change(
            f"apps.sagas.store:{statement}",
            lambda sql: sql.replace("fence = core_same(fence, %s, %s)", unguarded),
        )


@_is_a_mutant()
def cached_5xx() -> None:
    """A 500 that a provider repeats under its key is waited out, as if it would become another."""
    _change(
        "apps.gateways.services.calls:_unknown",
        lambda unknown: (
            lambda error, *, is_first: replace(unknown(error, is_first=is_first), answered=False)
        ),
    )
    _change(
        "apps.gateways.types.endings:OutcomeUnknown.__init__",
        lambda init: (
            lambda self, *facts, **named: init(self, *facts, **{**named, "key_is_spent": False})
        ),
    )


# At READ COMMITTED nearly nothing fails to serialize; as here, the code must bear it all the same.
_REPEATABLE = ("ALTER ROLE paysys_app SET default_transaction_isolation TO 'repeatable read'",)


@_is_a_mutant(sql=_REPEATABLE)
def swallowed_serialization_error() -> None:
    """A commit that somebody else made stale counts as done."""
    db = import_module("apps.core.db")
    stale = ("40001", "40P01")

    def build(execute: Any) -> Any:
        def executes(statements: Any) -> None:
            try:
                execute(statements)
            except db.GuardFailed:
                return
            except db.DatabaseError as error:
                if getattr(error.__cause__, "sqlstate", None) not in stale:
                    raise

        return executes

    _change("apps.core.db:_execute", build)


@_is_a_mutant()
def watermark_outbox() -> None:
    """Events are queued for webhooks from the newest one that was queued before."""
    newest = (
        "AND event_id > coalesce((SELECT event_id FROM notifications_delivery WHERE book_id ="
        " %(book)s ORDER BY event_id DESC LIMIT 1), '00000000-0000-0000-0000-000000000000')"
    )
    _change(
        "apps.notifications.store:_FAN_OUT",
        lambda sql: sql.replace(
            "WHERE book_id = %(book)s\n    ORDER BY subject_id",
            f"WHERE book_id = %(book)s {newest}\n    ORDER BY subject_id",
        ),
    )
