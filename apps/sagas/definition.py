"""The words in which a saga is written down.

A saga is a tuple of steps, run from left to right, and undone from right to left when the business
says no. The table *is* the flow:

    CHARGE = Saga(
        "charge",
        Local(reserve, undo=release),
        Remote(authorize, calls=(CREATE, CONFIRM), then=authorized, undo=Remote(void, ...)),
        ...
    )

The engine knows nothing of payments. What it needs to know of the world outside, it learns through
the saga's `Journal`: which call is under way, and how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from apps.sagas.models import Run


class Outcome(StrEnum):
    """How a call to the outside ended, as far as we know."""

    PENDING = "PENDING"  # intent written, no answer recorded
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"  # the other side said no, definitively
    UNKNOWN = "UNKNOWN"  # we do not know: look up, never guess
    ABSENT = "ABSENT"  # looked up: it has had no effect


@dataclass(frozen=True)
class Observation:
    """What one call, or one look-up of it, told us.

    `answered` says that the other side did answer (a 5xx, say): the request is no longer under way,
    so a later look-up that finds nothing proves that it never will have an effect.
    `unsent`, with ABSENT, says that it provably never left this machine. ABSENT from `send` without
    it is the other side's own word that this key has had no effect and never will.
    """

    outcome: Outcome
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    provider_reference: str = ""
    answered: bool = False
    unsent: bool = False


@dataclass(frozen=True)
class Intent:
    """A call that was promised in the database before it is made. The request is frozen."""

    op_key: str
    book_id: UUID
    subject_id: UUID
    step: str
    call: str
    request: dict[str, Any]
    created_at: datetime
    outcome: Outcome = Outcome.PENDING
    provider_reference: str = ""
    attempts: int = 0
    answered: bool = False


@dataclass(frozen=True)
class Call:
    """One operation outside. Both functions run with no transaction open and take the intent alone.

    `horizon_seconds`: how long after this intent the other side still honors its `op_key`, which is
    for whoever is called to say.
    `is_inspection`: it asks and changes nothing, so a step may make it again and again, each time
    under a new key; any other call is made once, whatever a step asks for.
    """

    name: str
    send: Callable[[Intent], Observation]
    look_up: Callable[[Intent], Observation]
    horizon_seconds: Callable[[Intent], float]
    timeout_seconds: float = 23.0
    is_inspection: bool = False


class Journal(Protocol):
    """Where calls are written down before they are made. Writers go through `db.write`."""

    def open(
        self,
        *,
        book_id: UUID,
        subject_id: UUID,
        run_id: UUID,
        step: str,
        call: str,
        op_key: str,
        request: dict[str, Any],
        now: datetime,
    ) -> Intent:
        """Write the intent of a call that is about to be made."""

    def find_open(self, *, run_id: UUID) -> Intent | None:
        """The call of this run whose end is not known, if there is one."""

    def observe(self, *, intent: Intent, observation: Observation, now: datetime) -> None:
        """Record what a call or a look-up told us; a closed call is never changed again."""


@dataclass(frozen=True)
class Ready:
    """Make this call, with this request."""

    call: str
    request: dict[str, Any]


@dataclass(frozen=True)
class Wait:
    """Come back at `until`, or when nudged."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Skip:
    """Nothing (more) to do outside: `then` runs at once."""


@dataclass(frozen=True)
class Abort:
    """Why a run is undone: the business error that was raised."""

    code: str
    message: str = ""
    decline_code: str = ""


@dataclass
class Context:
    """What a step sees.

    `results` is what the calls of the current step told us, by name; `answered` names the call
    whose answer came in this turn, and `waited_for` the reason the run comes back from waiting for:
    with both, `prepare` tells a fresh answer from a nudge that asks it to look again. `observed`
    is how the call `answered` ended.
    """

    run: Run
    subject: Any
    now: datetime
    results: dict[str, Observation] = field(default_factory=dict)
    answered: str = ""
    waited_for: str = ""
    observed: Observation | None = None


Effect = Callable[[Context], None]
Decision = Ready | Wait | Skip


def no_other_way(_context: Context) -> bool:
    """What a step says if nothing else: try what never left again later, undo what was refused."""
    return False


@dataclass(frozen=True)
class Local:
    """A step inside the database: its effects commit together with the run's position.

    `do` may return `Wait` and is then asked again. Its writes go through `db.write`.
    """

    do: Callable[[Context], Wait | None]
    undo: Effect | Remote

    @cached_property
    def name(self) -> str:
        return self.do.__name__.upper()


@dataclass(frozen=True)
class Remote:
    """A step outside the database.

    `prepare` decides what to do next from the subject and from what the calls told so far
    (`context.results`): it is asked before the first call and after every one, in the commit that
    records the previous answer. `then` commits together with the position once it says `Skip`.

    `otherwise` is asked, in the commit that records it, when a call provably never left this
    machine, or was refused: whether the step goes on another way, instead of trying again later,
    or of being undone. Then `prepare` is asked for it.
    """

    prepare: Callable[[Context], Decision]
    calls: tuple[Call, ...]
    then: Effect
    undo: Effect | Remote
    otherwise: Callable[[Context], bool] = no_other_way

    @cached_property
    def name(self) -> str:
        return self.prepare.__name__.upper()

    def call(self, name: str) -> Call:
        return next(call for call in self.calls if call.name == name)


Step = Local | Remote


def nothing(_context: Context) -> None:
    """The undo of a step that has nothing to undo."""


@dataclass(frozen=True)
class Saga:
    """A flow. `answer_after` names the steps whose end is worth telling whoever waits.

    A definition whose steps change gets a new `version`; the old one stays registered until its
    last run has ended.
    """

    name: str
    steps: tuple[Step, ...]
    journal: Journal
    load: Callable[[UUID, UUID], Any]  # (book_id, subject_id) -> subject
    on_abort: Callable[[Context, Abort], None]
    answer_after: frozenset[str] = frozenset()
    version: int = 1

    def index(self, step_name: str) -> int:
        return next(i for i, step in enumerate(self.steps) if step.name == step_name)


_registered: dict[tuple[str, int], Saga] = {}


class UnknownSaga(LookupError):
    """No definition of that name and version is registered in this process."""


def register(saga: Saga) -> Saga:
    """Make a definition known; called from `AppConfig.ready`."""
    _registered[(saga.name, saga.version)] = saga
    return saga


def known() -> list[str]:
    """The definitions registered in this process, as `name:version`; runs of others wait."""
    return [f"{name}:{version}" for name, version in _registered]


def find(name: str, version: int | None = None) -> Saga:
    """A registered definition; without a version, the newest.

    :raises UnknownSaga: there is none.
    """
    versions = [v for n, v in _registered if n == name and version in (None, v)]
    if not versions:
        raise UnknownSaga(f"{name} version {version}")
    return _registered[(name, max(versions))]
