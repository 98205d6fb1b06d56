"""Disputes in the three books: each is in ours once, as its provider has it, to the last line.

Every function returns what is wrong, in words that begin with the kind of violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from apps.core import ids
from paysys.soak.books import Objection, OurBook, Row, TheirBook, minor
from paysys.soak.journal import Operation

_OVER = ("WON", "PART_LOST", "LOST")


@dataclass
class Disputes:
    journal: Mapping[str, Operation]
    ours: OurBook
    theirs: TheirBook
    decided: Set[str]

    def differences(self) -> list[str]:
        return [*self._of_disputes(), *self._of_lines(), *self._of_news(), *self._of_answers()]

    def _of_disputes(self) -> Iterator[str]:
        """Each is in our book once, about the same payment, of the same amount and end."""
        ours: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.ours.disputes.values():
            ours[row["provider"], row["provider_reference"]].append(row)
        for found in self.theirs.objections:
            rows = ours.pop((found.provider, found.id), [])
            if len(rows) != 1:
                yield f"dispute: {found.id} of {found.payment} is {len(rows)} times in our book"
                continue
            [row] = rows
            told = _of_ours(row)
            stands = {
                "payment": found.payment,
                "amount": found.amount,
                "open": found.open,
                "lost": found.lost,
                "is over": found.is_over,
            }
            for what, theirs in stands.items():
                if told[what] != theirs:
                    yield (
                        f"dispute: {found.id} of {found.payment} ({row['status']}):"
                        f" {what} {told[what]} in our book, {theirs} outside"
                    )
        for name in ours:
            yield f"dispute: {name[1]} is in our book, and {name[0]} has none of that name"

    def _of_lines(self) -> Iterator[str]:
        """What a provider withdrew or returned is booked once, about its dispute; nothing else."""
        postings = Counter(
            one["reference"]
            for one in self.ours.postings
            if one["kind"] == "dispute_line" and not one["is_undone"]
        )
        booked: dict[str, list[Row]] = defaultdict(list)
        for line in self.ours.dispute_lines:
            booked[line["line_reference"]].append(line)
        for found in self.theirs.objections:
            for line_id, amount in found.lines.items():
                lines = [
                    (line["dispute"], minor(line, line["gross"]))
                    for line in booked.pop(line_id, [])
                ]
                posted = postings.pop(f"dispute:line:{line_id}", 0)
                if lines != [(found.id, amount)] or posted != 1:
                    yield (
                        f"posting: {amount} of dispute {found.id} ({line_id}) is {lines} in our"
                        f" book, and booked {posted} times"
                    )
        for name in {*booked, *(one.removeprefix("dispute:line:") for one in postings)}:
            yield f"posting: line {name} of a dispute is booked, and nothing moved"

    def _of_news(self) -> Iterator[str]:
        """The merchant is told once that there is a dispute."""
        told = Counter(
            one["subject_id"]
            for one in self.ours.events.values()
            if one["kind"] == "dispute.created"
        )
        for public_id, row in self.ours.disputes.items():
            if told[row["id"]] != 1:
                yield f"event: {public_id} was announced {told[row['id']]} times"

    def _of_answers(self) -> Iterator[str]:
        """What the merchant was told is submitted has arrived, once; what is given up is lost."""
        theirs = {(one.provider, one.id): one for one in self.theirs.objections}
        for key, asked in self.journal.items():
            if asked.kind not in ("evidence", "accept") or not asked.is_done:
                continue
            public_id = (asked.answer or {})["id"]
            row = self.ours.disputes.get(public_id)
            name = (row["provider"], row["provider_reference"]) if row else ("", "")
            found = theirs.get(name)
            if found is None:
                yield f"lost: {asked.kind} {key} about {public_id}, which nobody has"
            elif asked.kind == "accept":
                if not found.is_over:
                    yield f"promise: {key} gave {public_id} up, and {found.id} is not over"
            else:
                yield from self._of_evidence(key, asked.body, found)

    def _of_evidence(self, key: str, body: Mapping[str, Any], found: Objection) -> Iterator[str]:
        if found.answers > 1:
            yield f"double: {key} was submitted {found.answers} times to {found.id}"
        elif not found.answers:
            # A bank that decides meanwhile hears nothing any more.
            if found.id not in self.decided:
                yield f"lost: {key} was submitted, and {found.id} has no evidence"
        elif found.said != body["texts"]["uncategorized_text"]:
            yield f"promise: {key} says something else to {found.id}: {found.said!r}"


def _of_ours(row: Row) -> dict[str, Any]:
    return {
        "payment": ids.encode("pay", row["payment_id"]),
        "amount": minor(row, row["amount"]),
        "open": minor(row, row["amount_open"]),
        "lost": minor(row, row["amount_lost"]),
        "is over": row["status"] in _OVER,
    }


def taken(theirs: TheirBook) -> Counter[str]:
    """What disputes have taken of each payment by now, in minor units."""
    held: Counter[str] = Counter()
    for found in theirs.objections:
        held[found.payment] += found.open + found.lost
    return held
