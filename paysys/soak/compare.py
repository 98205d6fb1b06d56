"""Three books, one story: what the client was told, what we wrote down, what providers really did.

Every function returns what is wrong, in words that begin with the kind of violation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from paysys.soak.books import Object, OurBook, Row, TheirBook, minor
from paysys.soak.compare_disputes import Disputes
from paysys.soak.journal import Operation

Journal = Mapping[str, Operation]

_CREATES = {
    "pay": "payments",
    "top_up": "payments",
    "refund": "refunds",
    "transfer": "transfers",
    "payout": "payouts",
    "withdraw": "payouts",
}
_TAKEN = ("CAPTURED", "SETTLED", "REFUNDED", "DISPUTED", "CHARGED_BACK")
# Refusals that a good request of the mix may meet.
_MAY_REFUSE = {
    "pay": (402,),
    "top_up": (402,),
    "refund": (402, 409),
    "capture": (402, 409),
    "void": (409,),
    "transfer": (402,),
    "payout": (402, 409),
    "withdraw": (402, 409),
    "evidence": (409,),
    "accept": (409,),
}


@dataclass
class Books:
    journal: Journal
    ours: OurBook
    theirs: TheirBook
    decided: Set[str] = frozenset()  # the disputes that a bank was about to decide

    def differences(self) -> list[str]:
        """Everything on which the three do not agree."""
        return [
            *self._of_answers(),
            *self._of_keys(),
            *self._of_promises(),
            *self._of_objects(),
            *self._of_effects(),
            *self._of_postings(),
            *Disputes(self.journal, self.ours, self.theirs, self.decided).differences(),
        ]

    # --- the journal by itself

    def _of_answers(self) -> Iterator[str]:
        """A key has one answer and one object; no good request is refused as a bad one."""
        for key, asked in self.journal.items():
            if not asked.answers:
                yield f"unanswered: {asked.kind} {key} after {asked.requests} requests"
                continue
            if len({(one["status"], one["body"]) for one in asked.answers}) > 1:
                told = [(one["status"], one["body"]) for one in asked.answers]
                yield f"idempotency: {asked.kind} {key} was answered differently: {told}"
            if len(asked.named) > 1:
                yield f"idempotency: {asked.kind} {key} names {sorted(asked.named)}"
            first = asked.answers[0]
            if first["status"] not in (200, 201, *_MAY_REFUSE[asked.kind]):
                yield f"refused: {asked.kind} {key} got {first['status']} {first['code']}"

    # --- the journal and ours

    def _of_keys(self) -> Iterator[str]:
        """What we have was asked for, once; what was granted, we have."""
        made: dict[str, list[str]] = defaultdict(list)
        for public_id, row in self.ours.made:
            made[row["metadata"].get("soak", "")].append(public_id)
        for key, found in made.items():
            if key and key not in self.journal:
                yield f"unasked: {found} under {key}, which the client never sent"
            elif key and len(found) > 1:
                yield f"double: {key} made {found}"
        for key, asked in self.journal.items():
            if asked.kind not in _CREATES:
                continue
            rows: dict[str, Row] = getattr(self.ours, _CREATES[asked.kind])
            answer = asked.answer or {}
            if asked.is_done and answer["id"] not in rows:
                yield f"lost: {asked.kind} {key} was granted as {answer['id']}, which is not there"
            elif asked.is_done and minor(rows[answer["id"]], rows[answer["id"]]["amount"]) != (
                asked.body.get("amount", minor(rows[answer["id"]], rows[answer["id"]]["amount"]))
            ):
                yield f"amount: {asked.kind} {key} asked for {asked.body['amount']}"

    def _of_promises(self) -> Iterator[str]:
        """What an answer said stays true."""
        voids = {one.path for one in self.journal.values() if one.kind == "void"}
        for key, asked in self.journal.items():
            answer = asked.answer
            if answer is None or answer["id"] is None:
                continue
            row = self._row(answer["id"])
            is_voided = f"/v1/payments/{answer['id']}/void" in voids  # by the client
            if row is not None and not _holds(asked, row, is_voided):
                yield (
                    f"promise: {asked.kind} {key} was answered {answer['status']}"
                    f" {answer['made']}, and {answer['id']} is {row['status']}"
                )

    def _row(self, public_id: str) -> Row | None:
        book = {"pay": self.ours.payments, "re": self.ours.refunds, "po": self.ours.payouts}
        return book.get(public_id.partition("_")[0], {}).get(public_id)

    # --- ours and theirs

    def _of_objects(self) -> Iterator[str]:
        """A payment has one live object outside at most, which has taken and given what we say."""
        by_payment: dict[str, list[Object]] = defaultdict(list)
        for found in self.theirs.objects:
            by_payment[found.payment].append(found)
        for public_id, objects in by_payment.items():
            if public_id not in self.ours.payments:
                yield f"unknown: {objects[0].id} at {objects[0].provider} is for {public_id}"
            elif sum(one.is_live for one in objects) > 1:
                live = [one.id for one in objects if one.is_live]
                yield f"double charge: {public_id} has {live}"
            keys = Counter(one.op_key for one in objects if one.op_key)
            for op_key in [key for key, count in keys.items() if count > 1]:
                yield f"double: {keys[op_key]} objects were made under {op_key}"
        for public_id, row in self.ours.payments.items():
            there = by_payment.get(public_id, [])
            yield from _compared(public_id, row, there)
            if row["refund_reserved"] > row["amount_captured"]:
                yield f"refunds: {public_id} gives back more than it took"

    def _of_effects(self) -> Iterator[str]:
        """Everything that was done outside was promised before, and is booked exactly once."""
        booked = Counter(one["reference"] for one in self.ours.postings if not one["is_undone"])
        promised = {
            (one["call"], one["provider_reference"])
            for one in self.ours.calls
            if one["outcome"] == "SUCCEEDED"
        }
        charged = {
            row["charge_reference"]: row["provider_reference"]
            for row in self.ours.payments.values()
        }
        payouts = {row["provider_reference"]: row["id"] for row in self.ours.payouts.values()}
        for effect in self.theirs.effects:
            reference = f"{effect.kind}:{effect.id}"
            if effect.kind == "payout":
                reference = f"payout:{payouts.get(effect.id)}"
            if booked[reference] != 1:
                yield (
                    f"posting: {effect.kind} {effect.id} of {effect.amount} for {effect.owner}"
                    f" is booked {booked[reference]} times"
                )
            call, named = _PROMISED[effect.kind], effect.id
            if effect.kind == "capture":
                named = charged.get(effect.id, "")
            if (call, named) not in promised:
                yield f"unpromised: {effect.kind} {effect.id} for {effect.owner}"

    def _of_postings(self) -> Iterator[str]:
        """And nothing is booked that was not done."""
        done = {f"{one.kind}:{one.id}" for one in self.theirs.effects if one.kind != "payout"}
        paid = {one.id for one in self.theirs.effects if one.kind == "payout"}
        done |= {
            f"payout:{row['id']}"
            for row in self.ours.payouts.values()
            if row["provider_reference"] in paid
        }
        for one in self.ours.postings:
            reference = one["reference"]
            if one["kind"] not in _PROMISED or one["is_undone"] or ":wallet:" in reference:
                continue
            if reference not in done:
                yield f"posting: {reference} is booked, and nothing was done"


# What is booked by these kinds was done by a call of that name.
_PROMISED = {"capture": "capture", "refund": "refund", "payout": "pay_out"}


def _compared(public_id: str, row: Row, there: list[Object]) -> Iterator[str]:
    captured = minor(row, row["amount_captured"] - row["wallet_captured"])
    refunded = minor(row, row["card_refund_reserved"])
    for what, ours, theirs in (
        ("captured", captured, sum(one.captured for one in there)),
        ("refunded", refunded, sum(one.refunded for one in there)),
    ):
        if ours != theirs:
            kind = "double charge" if what == "captured" and theirs > ours else "difference"
            yield f"{kind}: {public_id} {what} {ours} in our book, {theirs} outside"
    if row["status"] in ("VOIDED", "FAILED", "REJECTED"):
        held = [one.id for one in there if one.is_live]
        if held:
            yield f"difference: {public_id} is {row['status']}, and {held} is not"


def _holds(asked: Operation, row: Row, is_voided: bool) -> bool:
    """Whether what was answered still describes the row, or what may become of it."""
    answer = asked.answer or {}
    status = row["status"]
    if asked.kind in ("pay", "top_up"):
        if answer["status"] == 402:
            return status in ("FAILED", "REJECTED")
        if answer["made"] == "AUTHORIZED" and asked.body.get("capture_method") == "manual":
            return status in (*_TAKEN, "AUTHORIZED", "VOIDED")
        if answer["made"] == "REQUIRES_ACTION" or is_voided:
            return True
        return status in _TAKEN
    if asked.kind == "capture" and asked.is_done:
        return status in _TAKEN and minor(row, row["amount_captured"]) == asked.body["amount"]
    if asked.kind == "void" and asked.is_done:
        return status in ("VOIDED", "FAILED", "REJECTED")
    if asked.kind == "refund" and asked.is_done:
        return bool(status == "SUCCEEDED")
    if asked.kind in ("payout", "withdraw") and asked.is_done:
        return status in ("PAID", "FAILED", "RETURNED")
    return True


# --- wallets --------------------------------------------------------------------------------------


def wallet_balances(
    journal: Journal, bodies: Mapping[str, Mapping[str, Any]], taken: Mapping[str, int]
) -> Counter[str]:
    """What each wallet must hold by what the client asked for and was granted, in minor units.

    `bodies` are payments, refunds and payouts as they stand now, for what stands of each. `taken`
    is what disputes have taken of a payment: of a top-up the wallet has lost it, as far as it had
    so much when it was frozen. Nothing else may move such a wallet after that.
    """
    held: Counter[str] = Counter()
    disputed: list[tuple[str, int]] = []
    for asked in journal.values():
        if not asked.is_done:
            continue
        public_id = (asked.answer or {})["id"]
        for wallet, amount in _moves(asked, bodies.get(public_id, {})):
            held[wallet] += amount
            if asked.kind == "top_up" and public_id in taken:
                disputed.append((wallet, taken[public_id]))
    for wallet, lost in disputed:
        held[wallet] -= min(lost, held[wallet])
    return held


def _moves(asked: Operation, found: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What a granted request adds to which wallet, as it stands now."""
    amount = asked.body.get("amount", 0)
    if asked.kind == "transfer":
        yield asked.path.split("/")[3], -amount
        yield asked.body["to"], amount
    elif asked.kind == "withdraw" and found.get("status") != "FAILED":
        yield asked.path.split("/")[3], -amount
    elif asked.kind == "top_up" and found.get("status") in _TAKEN:
        yield asked.path.split("/")[3], amount
    elif asked.kind == "pay":
        for tender in found.get("tenders", ()):
            if tender["type"] == "wallet":
                yield tender["source"], tender["refunded"] - tender["captured"]
