"""What merchants wrote about payments, and how it is forgotten with the customer.

A note stands on the payment, refund, payout or transfer alone: no event, run or call repeats it.
What was answered to a dispute, and its files, stand encrypted in tables of their own, and are
deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from apps.payments.models import (
    HAS_NOTES,
    DisputeEvidence,
    DisputeFile,
    Payment,
    Payout,
    Refund,
    Transfer,
)
from apps.payments.services import evidence_files


def forget_notes(
    book_id: UUID, method_ids: Collection[UUID], wallet_ids: Collection[UUID]
) -> set[UUID]:
    """Empty every note on what was paid by, to or between these; the ids of what they were on.

    A transfer's note goes with either of the two customers. A `reference` is the merchant's own
    number and stays: no second payment may have it.

    Retries: again changes nothing. Transaction: the caller's.
    """
    theirs = {
        "payment_method_id__in": method_ids,
        "wallet_id__in": wallet_ids,
        "destination_wallet_id__in": wallet_ids,
    }
    paid = {f"payment__{column}": ids for column, ids in theirs.items()}
    answered = {f"dispute__payment__{column}": ids for column, ids in theirs.items()}
    theirs_in_disputes = Q(**answered, _connector=Q.OR)
    DisputeEvidence.objects.filter(book_id=book_id).filter(theirs_in_disputes).delete()
    files = DisputeFile.objects.filter(book_id=book_id).filter(theirs_in_disputes)
    ends = {"from_wallet_id__in": wallet_ids, "to_wallet_id__in": wallet_ids}
    return {
        *evidence_files.forget(files),
        *_empty(Refund, "reason", book_id, {**paid, "to_wallet_id__in": wallet_ids}),
        *_empty(Payment, "description", book_id, theirs),
        *_empty(Payout, "description", book_id, {"wallet_id__in": wallet_ids}),
        *_empty(Transfer, "description", book_id, ends),
    }


def _empty(
    model: type[Payment | Refund | Payout | Transfer],
    text: str,
    book_id: UUID,
    any_of: dict[str, Collection[UUID]],
) -> list[UUID]:
    rows = model._default_manager.filter(book_id=book_id)
    noted = rows.filter(HAS_NOTES[text]).filter(Q(**any_of, _connector=Q.OR))
    ids = list(noted.values_list("id", flat=True))
    rows.filter(id__in=ids).update(**{text: ""}, metadata={})
    return ids
