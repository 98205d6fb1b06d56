"""What was asked of providers, what they said, and whose their objects are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When

from apps.core.types import Invariant
from apps.gateways.models import OPEN, InboundEvent, ProviderCall, ProviderObject
from apps.gateways.types import KEPT, NEVER_SENT, Operation
from apps.sagas.definition import Outcome

LIST_LIMIT: Final = 500


@dataclass(frozen=True)
class Owner:
    """Whose an object of a provider is."""

    book_id: UUID
    payment_id: UUID


def find_open_call(*, book_id: UUID, payment_id: UUID) -> ProviderCall | None:
    """The one call of a payment whose end is not known: while there is one, no other may begin."""
    return ProviderCall.objects.filter(
        book_id=book_id, payment_id=payment_id, outcome__in=OPEN
    ).first()


def open_calls() -> QuerySet[ProviderCall]:
    """Calls whose end is not known: for a subquery over payments, so that a page asks once."""
    return ProviderCall.objects.filter(outcome__in=OPEN)


def find_open_call_of_run(*, run_id: UUID) -> ProviderCall | None:
    return ProviderCall.objects.filter(run_id=run_id, outcome__in=OPEN).first()


def list_calls(*, book_id: UUID, subject_ids: Sequence[UUID]) -> list[ProviderCall]:
    """The calls made for these payments and refunds, oldest first."""
    of_subjects = Q()
    for subject_id in subject_ids[:LIST_LIMIT]:
        of_subjects |= _of_subject(subject_id)
    if not of_subjects:
        return []
    return list(
        ProviderCall.objects.filter(of_subjects, book_id=book_id).order_by("id")[:LIST_LIMIT]
    )


def is_nowhere(*, book_id: UUID, payment_id: UUID, but_for: str = "") -> bool:
    """Whether no provider can have a living object of this payment.

    But for a call that is open now, and for the object `but_for`: the caller knows of their ends.
    True only if every other request to create one provably never left, or was refused at once, or
    its object was canceled and seen to be. That a look-up found nothing is no proof: an object
    whose name we were never told cannot be looked up.
    """
    created = ProviderCall.objects.filter(
        _of_subject(payment_id), book_id=book_id, call=Operation.CREATE, canceled_at=None
    ).exclude(outcome__in=OPEN)
    if but_for:
        created = created.exclude(provider_reference=but_for)
    is_none = Q(outcome=Outcome.ABSENT, code=NEVER_SENT) | Q(outcome=Outcome.FAILED, answered=True)
    return not created.exclude(is_none).exists()


def is_nothing_under_way(*, book_id: UUID, payment_id: UUID, reference: str) -> bool:
    """Whether no request to confirm this object can still reach its provider.

    Each never left, or was answered by a refusal the first time it was made. Beside one whose end
    is recorded in this very commit: the caller knows of it.
    """
    confirmed = ProviderCall.objects.filter(
        _of_subject(payment_id),
        book_id=book_id,
        call=Operation.CONFIRM,
        request__provider_reference=reference,
    ).exclude(outcome__in=OPEN)
    is_over = Q(outcome=Outcome.ABSENT, code=NEVER_SENT) | Q(outcome=Outcome.FAILED, answered=True)
    return not confirmed.exclude(is_over).exists()


def find_owner(*, provider: str, reference: str) -> Owner | None:
    """The payment that an object of a provider belongs to.

    None does not mean that nobody's it is: an event may overtake the answer that told us the name.
    """
    found = ProviderObject.objects.filter(provider=provider, reference=reference).first()
    return Owner(found.book_id, found.payment_id) if found else None


def find_event(event_id: UUID) -> InboundEvent | None:
    return InboundEvent.objects.filter(id=event_id).first()


def list_unprocessed(*, received_before: datetime, parked_before: datetime) -> list[InboundEvent]:
    """Events whose bell nobody heard and that can be applied, oldest first.

    Those about an object that nobody knows stand before no others: they are among these once it is
    known, or when they were received before `parked_before`.
    """
    waiting = InboundEvent.objects.filter(processed_at=None, received_at__lt=received_before)
    about = Case(
        When(payment_reference="", then=F("object_reference")), default=F("payment_reference")
    )
    its_object = Q(provider=OuterRef("provider"), reference=OuterRef("about"))
    is_known = Exists(ProviderObject.objects.filter(its_object))
    can_be = waiting.alias(about=about).filter(Q(received_at__lt=parked_before) | is_known)
    return list(can_be.order_by("received_at")[:LIST_LIMIT])


def list_not_acted_on(
    *, provider: str = "", kind: str = "", received_from: datetime | None = None, limit: int
) -> list[InboundEvent]:
    """Events that wait, and those that were kept, oldest first; only of these, if named."""
    found = InboundEvent.objects.filter(Q(processed_at=None) | Q(note__startswith=KEPT))
    if provider:
        found = found.filter(provider=provider)
    if kind:
        found = found.filter(kind=kind)
    if received_from is not None:
        found = found.filter(received_at__gte=received_from)
    return list(found.order_by("received_at", "id")[:limit])


def _of_subject(subject_id: UUID) -> Q:
    """The calls of a subject: its op_keys start with it; the semicolon follows the colon."""
    return Q(op_key__gte=f"{subject_id}:", op_key__lt=f"{subject_id};")


# Thirteen to nineteen digits in a row that start as cards do and satisfy Luhn. The check at the
# door is `core.cards`; this one proves that it was not walked around.
_CARDS = """
SELECT t.id, m[1] AS found FROM {table} t
CROSS JOIN LATERAL regexp_matches(
    t.{column}::text,
    '(?<![0-9A-Za-z_])((?:4|5[1-5]|2[2-7]|3[47]|6[05])[0-9]{{11,17}})(?![0-9A-Za-z_])', 'g'
) AS m
WHERE length(m[1]) IN (13, 15, 16, 19) AND 0 = (
    SELECT sum(CASE WHEN (length(m[1]) - place) % 2 = 0 THEN digit
                    ELSE digit * 2 - CASE WHEN digit > 4 THEN 9 ELSE 0 END END) % 10
    FROM (SELECT place, substr(m[1], place, 1)::int AS digit
          FROM generate_series(1, length(m[1])) AS place) AS digits)
"""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "gateways.one_provider_per_payment",
        "SELECT book_id, payment_id FROM gateways_provider_call WHERE call = 'create' "
        "AND NOT (outcome = 'ABSENT' AND code = 'not_sent') AND NOT (outcome = 'FAILED' "
        "AND answered) AND canceled_at IS NULL GROUP BY 1, 2 HAVING count(DISTINCT provider) > 1",
        "A payment goes to a second provider only if there is nothing of it at the first.",
    ),
    Invariant(
        "gateways.over_was_seen",
        "SELECT c.id, c.provider_reference FROM gateways_provider_call c "
        "WHERE c.canceled_at IS NOT NULL AND NOT gateways_is_over(c)",
        "An object counts as canceled only if a look-up has said so, and nothing was confirmed.",
    ),
    Invariant(
        "gateways.one_open_call",
        "SELECT book_id, payment_id, count(*) FROM gateways_provider_call "
        "WHERE outcome IN ('PENDING', 'UNKNOWN') GROUP BY 1, 2 HAVING count(*) > 1",
        "A payment has at most one provider call whose end is not known.",
    ),
    Invariant(
        "gateways.intent_first",
        "SELECT id, created_at, observed_at FROM gateways_provider_call "
        "WHERE observed_at < created_at OR (outcome = 'PENDING') <> (observed_at IS NULL)",
        "Every provider call was promised before its outcome was observed.",
    ),
    Invariant(
        "gateways.one_subject_per_op_key",
        "SELECT op_key, count(*) FROM gateways_provider_call GROUP BY 1 HAVING count(*) > 1",
        "An op_key names one call, over all books.",
    ),
    Invariant(
        "gateways.objects_have_one_owner",
        "SELECT c.id, c.provider_reference FROM gateways_provider_call c "
        "JOIN gateways_provider_object o "
        "ON o.provider = c.provider AND o.reference = c.provider_reference "
        "WHERE o.payment_id <> c.payment_id OR o.book_id <> c.book_id",
        "A provider's object belongs to one payment.",
    ),
    *(
        Invariant(
            f"gateways.no_card_in_{table.removeprefix('gateways_')}_{column}",
            _CARDS.format(table=table, column=column),
            "No card number is stored.",
        )
        for table, column in (
            ("gateways_provider_call", "request"),
            ("gateways_provider_call", "result"),
            ("gateways_inbound_event", "payload"),
        )
    ),
)
