"""What a message is made of, and how each row of it comes to be written once.

A unit adds a row and changes it several times on its way, each time with an event and an audit row.
Sent like that, every change is a statement of its own, a version of the row, and another round of
its checks and triggers. So the message holds the row once, as it is in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

Params = Sequence[Any]
Bind = Callable[[str, list[Any]], str]


class Rows:
    """How rows of one table are added: made once, and kept by whoever adds them.

    `marks` stand where a column is not plainly `%s`; `constants` are the literals of columns that
    most new rows have alike. Nothing is ever changed in a log. `returning` is called with every row
    that was added, in the same statement.
    """

    def __init__(
        self,
        table: str,
        *,
        marks: Mapping[str, str] | None = None,
        constants: Mapping[str, str] | None = None,
        is_log: bool = False,
        returning: str = "",
    ) -> None:
        self.table = table
        self.is_log = is_log
        self.tail = f" RETURNING {returning}" if returning else ""
        self._marks = marks or {}
        self._constants = constants or {}
        self._texts: dict[tuple[str, ...], tuple[str, str]] = {}

    def texts(self, names: tuple[str, ...]) -> tuple[str, str]:
        """The statement up to its rows, and one row of it, for these columns."""
        found = self._texts.get(names)
        if found is None:
            rest = {name: text for name, text in self._constants.items() if name not in names}
            marks = [self._marks.get(name, "%s") for name in names]
            columns, row = ", ".join((*names, *rest)), ", ".join((*marks, *rest.values()))
            head = f"INSERT INTO {self.table} ({columns}) VALUES "  # noqa: S608
            found = self._texts[names] = head, f"({row})"
        return found


@dataclass(frozen=True, slots=True)
class Statement:
    """Any statement, its parameters not yet bound."""

    sql: str
    params: Params

    def bound(self, bind: Bind) -> str:
        return bind(self.sql, list(self.params))


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to be added, its columns by name, and `before` it others of the same columns."""

    rows: Rows
    values: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, UUID | None]:
        """What is told apart: a row, or a log."""
        return self.rows.table, None if self.rows.is_log else self.values["id"]

    def bound(self, bind: Bind) -> str:
        head, row = self.rows.texts(tuple(self.values))
        every = (*self.before, self.values)
        rows = ", ".join(bind(row, list(values.values())) for values in every)
        return head + rows + self.rows.tail

    def changed(self, changes: Mapping[str, Any]) -> NewRow:
        return replace(self, values={**self.values, **changes})

    def after(self, earlier: NewRow) -> NewRow:
        return replace(self, before=(*earlier.before, earlier.values))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row, and the statement that makes it where the row is there already."""

    rows: Rows
    row_id: UUID
    changes: Mapping[str, Any]
    expects: Mapping[str, Any]
    statement: Callable[[], Statement]

    def fits(self, row: NewRow) -> bool:
        return all(row.values.get(name) == value for name, value in self.expects.items())


Part = Statement | NewRow | Change


def written_once(parts: Sequence[Part]) -> list[Statement | NewRow]:
    """The parts as they are sent.

    A row stands where it was added, with what was changed of it; the rows of a log stand together
    where the last of them was, behind every guard that was before it. A statement in between that
    names the table sees what it would have seen: what comes after it is written after it.
    """
    sent: list[Statement | NewRow | None] = []
    added: dict[tuple[str, UUID | None], int] = {}
    for part in parts:
        if isinstance(part, Change) and _is_folded(sent, added, part):
            continue
        following = part.statement() if isinstance(part, Change) else part
        if isinstance(following, NewRow):
            following = _joined(sent, added.get(following.key), following)
            added[following.key] = len(sent)
        else:
            sql = following.sql
            added = {key: place for key, place in added.items() if key[0] not in sql}
        sent.append(following)
    return [each for each in sent if each is not None]


def _is_folded(
    sent: list[Statement | NewRow | None],
    added: Mapping[tuple[str, UUID | None], int],
    change: Change,
) -> bool:
    """Make the change in the row that is still to be sent, if there is one that it fits."""
    place = added.get((change.rows.table, change.row_id))
    row = sent[place] if place is not None else None
    if place is None or not isinstance(row, NewRow) or not change.fits(row):
        return False
    sent[place] = row.changed(change.changes)
    return True


def _joined(sent: list[Statement | NewRow | None], place: int | None, new: NewRow) -> NewRow:
    """The new row together with those of its log that were to be sent before it."""
    earlier = sent[place] if place is not None and new.rows.is_log else None
    if place is None or not isinstance(earlier, NewRow) or list(earlier.values) != list(new.values):
        return new
    sent[place] = None
    return new.after(earlier)
