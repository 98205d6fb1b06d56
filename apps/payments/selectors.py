"""Looking at payments and refunds. Every look at a merchant's objects names the merchant's book."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.types import Invariant
from apps.gateways import selectors as gateways
from apps.ledger import selectors as ledger
from apps.ledger.types import BookedTransaction
from apps.payments.models import Payment, Refund, SettlementLine
from apps.payments.types import RefundStatus
from apps.sagas import selectors as sagas

if TYPE_CHECKING:
    from apps.sagas.models import Run


def get(book_id: UUID, payment_id: UUID) -> Payment:
    """A payment of this merchant's.

    :raises NotFound: there is none, or it is somebody else's.
    """
    payment = Payment.objects.filter(book_id=book_id, id=payment_id).first()
    if payment is None:
        raise NotFound(f"No such payment: {ids.encode('pay', payment_id)}.", param="id")
    return payment


def lock(book_id: UUID, payment_id: UUID) -> Payment:
    """The same, locked until the transaction ends.

    :raises NotFound: there is none, or it is somebody else's.
    """
    rows = Payment.objects.select_for_update().filter(book_id=book_id, id=payment_id)
    payment = rows.first()
    if payment is None:
        raise NotFound(f"No such payment: {ids.encode('pay', payment_id)}.", param="id")
    return payment


def list_payments(book_id: UUID) -> QuerySet[Payment]:
    """A merchant's payments, each with the run of its open call, so that a page asks once."""
    calls = gateways.open_calls().filter(book_id=book_id, payment_id=OuterRef("id"))
    open_run_id = Subquery(calls.values("run_id")[:1])
    return Payment.objects.filter(book_id=book_id).annotate(open_run_id=open_run_id)


def find_by_reference(book_id: UUID, reference: str) -> Payment | None:
    """The payment that the merchant gave this reference, if there is one."""
    return Payment.objects.filter(book_id=book_id, reference=reference).first()


def get_refund(book_id: UUID, refund_id: UUID) -> Refund:
    """A refund of this merchant's, with its payment.

    :raises NotFound: there is none, or it is somebody else's.
    """
    rows = Refund.objects.select_related("payment")
    refund = rows.filter(book_id=book_id, id=refund_id).first()
    if refund is None:
        raise NotFound(f"No such refund: {ids.encode('re', refund_id)}.", param="id")
    return refund


def list_refunds(book_id: UUID, payment_id: UUID | None = None) -> QuerySet[Refund]:
    """A merchant's refunds, of one payment or of all; compensations are ours and not shown."""
    refunds = Refund.objects.filter(book_id=book_id, is_compensation=False)
    return refunds.filter(payment_id=payment_id) if payment_id else refunds


def find_compensation(payment: Payment) -> Refund | None:
    """The refund with which we undid the capture, if we did."""
    return Refund.objects.filter(
        book_id=payment.book_id, payment_id=payment.id, is_compensation=True
    ).first()


def find_refund_by_provider(book_id: UUID, payment_id: UUID, reference: str) -> Refund | None:
    """The refund that the provider knows under this id."""
    return Refund.objects.filter(
        book_id=book_id, payment_id=payment_id, provider_reference=reference
    ).first()


def list_open_refunds(book_id: UUID, payment_id: UUID) -> QuerySet[Refund]:
    """The refunds of a payment whose end is not known, our own among them."""
    return Refund.objects.filter(
        book_id=book_id, payment_id=payment_id, status=RefundStatus.PENDING
    )


def has_settlement_line(payment: Payment, provider: str, line_reference: str) -> bool:
    """Whether this line of the provider's statement is booked."""
    return SettlementLine.objects.filter(
        book_id=payment.book_id, provider=provider, line_reference=line_reference
    ).exists()


def has_open_call(payment: Payment) -> bool:
    """Whether a call for this payment is under way or its end unknown: then no other may start."""
    call = gateways.find_open_call(book_id=payment.book_id, payment_id=payment.id)
    return call is not None


def find_charge_run(payment: Payment) -> Run | None:
    return sagas.find(book_id=payment.book_id, saga="charge", subject_id=payment.id)


def find_refund_run(refund: Refund) -> Run | None:
    """The run that sends it: its own, or the payment's if the payment is being undone."""
    if refund.is_compensation:
        return sagas.find(book_id=refund.book_id, saga="charge", subject_id=refund.payment_id)
    return sagas.find(book_id=refund.book_id, saga="refund", subject_id=refund.id)


def find_refund_check(refund: Refund) -> Run | None:
    """The newest run that asked whether a refund which succeeded still stands."""
    return sagas.find(book_id=refund.book_id, saga="refund_check", subject_id=refund.id)


def reread(subject: Payment | Refund) -> Payment | Refund:
    """The same row as it now stands."""
    if isinstance(subject, Refund):
        return get_refund(subject.book_id, subject.id)
    return get(subject.book_id, subject.id)


def postings_of(payment: Payment) -> list[BookedTransaction]:
    """Everything that was booked about a payment and its refunds, in the order of booking."""
    references = [f"capture:{payment.charge_reference}", f"credit:{ids.encode('pay', payment.id)}"]
    for refund in Refund.objects.filter(book_id=payment.book_id, payment_id=payment.id):
        references.append(f"refund:reserve:{ids.encode('re', refund.id)}")
        references.append(f"refund:{refund.provider_reference}")
    lines = SettlementLine.objects.filter(book_id=payment.book_id, payment_id=payment.id)
    references += [f"settlement:{line.line_reference}" for line in lines]
    references += [f"undo:{reference}" for reference in references]
    found = [
        ledger.transaction_by_reference(book_id=payment.book_id, reference=reference)
        for reference in references
    ]
    return sorted((t for t in found if t is not None), key=lambda t: t.created_at)


def outcome_of(payment: Payment) -> tuple[str, datetime | None]:
    """(`known` or `unknown`, when we ask next): unknown while a call's end is."""
    run_id = _open_run_id(payment)
    return ("unknown", sagas.get(run_id).next_run_at) if run_id else ("known", None)


def _open_run_id(payment: Payment) -> UUID | None:
    """The run whose call is open; a listed payment brought the answer along."""
    if hasattr(payment, "open_run_id"):
        known: UUID | None = payment.open_run_id
        return known
    call = gateways.find_open_call(book_id=payment.book_id, payment_id=payment.id)
    return call.run_id if call is not None else None


INVARIANTS = (
    Invariant(
        name="payments: status is the headline of the facts",
        sql="SELECT id, status FROM payments_payment WHERE status IN "
        "('CAPTURED', 'SETTLED', 'REFUNDED', 'DISPUTED', 'CHARGED_BACK') AND status <> CASE "
        "WHEN amount_disputed > 0 THEN 'DISPUTED' WHEN amount_charged_back > 0 AND "
        "amount_refunded + amount_charged_back >= amount_captured THEN 'CHARGED_BACK' "
        "WHEN amount_refunded >= amount_captured THEN 'REFUNDED' "
        "WHEN settled_at IS NOT NULL THEN 'SETTLED' ELSE 'CAPTURED' END",
        says="after capture a status says what the facts are",
    ),
    Invariant(
        name="payments: captured <= authorized <= amount",
        sql="SELECT id FROM payments_payment "
        "WHERE amount_captured > amount_authorized OR amount_authorized > amount",
        says="never more is taken than was agreed",
    ),
    Invariant(
        name="payments: the money-out budget",
        sql="SELECT id FROM payments_payment WHERE refund_reserved + amount_disputed "
        "+ amount_charged_back - amount_excess > amount_captured",
        says="never more goes out than came in",
    ),
    Invariant(
        name="payments: refund counters = refunds",
        sql="SELECT p.id FROM payments_payment p LEFT JOIN LATERAL (SELECT "
        "coalesce(sum(amount) FILTER (WHERE status <> 'FAILED'), 0) AS reserved, "
        "coalesce(sum(amount) FILTER (WHERE status = 'SUCCEEDED'), 0) AS refunded, "
        "coalesce(sum(fee_returned) FILTER (WHERE status <> 'FAILED'), 0) AS fee "
        "FROM payments_refund r WHERE r.payment_id = p.id AND r.book_id = p.book_id) r ON true "
        "WHERE p.refund_reserved <> r.reserved OR p.amount_refunded <> r.refunded "
        "OR p.fee_returned <> r.fee",
        says="a payment's counters are the sums of its refunds",
    ),
    Invariant(
        name="payments: every capture has its posting",
        sql="SELECT p.id FROM payments_payment p WHERE p.amount_captured > 0 AND NOT EXISTS "
        "(SELECT 1 FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id "
        "AND e.book_id = t.book_id WHERE t.book_id = p.book_id "
        "AND t.reference = 'capture:' || p.charge_reference AND e.amount = p.amount_captured)",
        says="captured money is in the books, once and in full",
    ),
    Invariant(
        name="payments: every capture posting has its payment",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'capture' "
        "AND NOT EXISTS (SELECT 1 FROM payments_payment p WHERE p.book_id = t.book_id "
        "AND 'capture:' || p.charge_reference = t.reference AND p.amount_captured > 0)",
        says="the books hold no capture that is not a payment's",
    ),
    Invariant(
        name="payments: every refund has its posting",
        sql="SELECT r.id, r.status FROM payments_refund r WHERE (r.status = 'SUCCEEDED') <> EXISTS "
        "(SELECT 1 FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id "
        "AND e.book_id = t.book_id WHERE t.book_id = r.book_id AND e.amount = r.amount "
        "AND t.reference = 'refund:' || r.provider_reference AND NOT EXISTS (SELECT 1 "
        "FROM ledger_transaction u WHERE u.book_id = t.book_id AND u.reverses_id = t.id))",
        says="a confirmed refund is in the books, and one that failed later no more",
    ),
    Invariant(
        name="payments: every refund posting has its refund",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'refund' "
        "AND t.reverses_id IS NULL AND NOT EXISTS (SELECT 1 FROM payments_refund r "
        "WHERE r.book_id = t.book_id AND 'refund:' || r.provider_reference = t.reference)",
        says="the books hold no refund that is not a payment's",
    ),
    Invariant(
        name="payments: refund:payable = open refunds",
        sql="SELECT book_id, currency, l.amount, r.amount FROM "
        "(SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount "
        "FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
        "WHERE a.code = 'refund:payable' GROUP BY 1, 2) l FULL JOIN "
        "(SELECT book_id, currency, sum(amount) AS amount FROM payments_refund "
        "WHERE status = 'PENDING' GROUP BY 1, 2) r USING (book_id, currency) "
        "WHERE coalesce(l.amount, 0) <> coalesce(r.amount, 0)",
        says="what is promised is what is still on its way",
    ),
    Invariant(
        name="payments: nothing unallocated without a run",
        sql="SELECT l.book_id, l.currency, l.amount FROM "
        "(SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount "
        "FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
        "WHERE a.code = 'payment:unallocated' GROUP BY 1, 2) l WHERE l.amount <> "
        "(SELECT coalesce(sum(p.amount_captured), 0) FROM payments_payment p JOIN sagas_run s "
        "ON s.subject_id = p.id AND s.book_id = p.book_id AND s.saga = 'charge' "
        "WHERE p.book_id = l.book_id AND p.currency = l.currency AND p.amount_captured > 0 "
        "AND s.status NOT IN ('COMPLETED', 'COMPENSATED') "
        "AND NOT 'CREDIT_MERCHANT' = ANY (s.completed_steps) AND NOT EXISTS "
        "(SELECT 1 FROM payments_refund r WHERE r.payment_id = p.id AND r.is_compensation))",
        says="captured money is credited or promised back, unless a run stands between the two",
    ),
    Invariant(
        name="payments: platform:fees = fees of credited payments",
        sql="SELECT book_id, currency, l.amount, p.amount FROM "
        "(SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount "
        "FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
        "WHERE a.code = 'platform:fees' GROUP BY 1, 2) l FULL JOIN "
        "(SELECT p.book_id, p.currency, sum(p.fee - p.fee_returned) AS amount "
        "FROM payments_payment p JOIN sagas_run s ON s.subject_id = p.id "
        "AND s.book_id = p.book_id AND s.saga = 'charge' "
        "WHERE 'CREDIT_MERCHANT' = ANY (s.completed_steps) GROUP BY 1, 2) p "
        "USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(p.amount, 0)",
        says="a fee is booked once with its credit, and what came back with the refunds",
    ),
    Invariant(
        name="payments: every change has its event and its audit row",
        sql="SELECT p.id, p.version FROM payments_payment p WHERE p.version <> "
        "(SELECT count(*) FROM notifications_event e WHERE e.book_id = p.book_id "
        "AND e.subject_id = p.id) OR p.version <> (SELECT count(*) FROM audit_entry a "
        "WHERE a.book_id = p.book_id AND a.subject_id = p.id)",
        says="a version is an event and an audit row of the same commit",
    ),
    Invariant(
        name="payments: every refund's change has its event and its audit row",
        sql="SELECT r.id, r.version FROM payments_refund r WHERE r.version <> "
        "(SELECT count(*) FROM notifications_event e WHERE e.book_id = r.book_id "
        "AND e.subject_id = r.id) OR r.version <> (SELECT count(*) FROM audit_entry a "
        "WHERE a.book_id = r.book_id AND a.subject_id = r.id)",
        says="a version is an event and an audit row of the same commit",
    ),
    Invariant(
        name="payments: a settled payment has its line",
        sql="SELECT p.id FROM payments_payment p WHERE p.settled_at IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM payments_settlement_line l WHERE l.book_id = p.book_id "
        "AND l.payment_id = p.id AND l.kind = 'charge')",
        says="settled means that the provider's statement says so",
    ),
    Invariant(
        name="payments: every settlement line has its posting",
        sql="SELECT l.id FROM payments_settlement_line l WHERE NOT EXISTS "
        "(SELECT 1 FROM ledger_transaction t WHERE t.book_id = l.book_id "
        "AND t.reference = 'settlement:' || l.line_reference)",
        says="a booked line is in the books",
    ),
    Invariant(
        name="payments: every settlement posting has its line",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'settlement' "
        "AND t.reverses_id IS NULL AND NOT EXISTS (SELECT 1 FROM payments_settlement_line l "
        "WHERE l.book_id = t.book_id AND 'settlement:' || l.line_reference = t.reference)",
        says="nothing is settled that the provider's statement does not hold",
    ),
    Invariant(
        name="payments: an open payment has an open run",
        sql="SELECT p.id, p.status FROM payments_payment p WHERE p.status IN "
        "('CREATED', 'VALIDATED', 'REQUIRES_ACTION', 'IN_REVIEW', 'AUTHORIZED') "
        "AND NOT EXISTS (SELECT 1 FROM sagas_run s WHERE s.subject_id = p.id "
        "AND s.book_id = p.book_id AND s.saga = 'charge' "
        "AND s.status NOT IN ('COMPLETED', 'COMPENSATED'))",
        says="no payment is left half done",
    ),
    Invariant(
        name="payments: an open refund has an open run",
        sql="SELECT r.id, r.payment_id FROM payments_refund r WHERE r.status = 'PENDING' "
        "AND NOT EXISTS (SELECT 1 FROM sagas_run s WHERE s.book_id = r.book_id "
        "AND s.status NOT IN ('COMPLETED', 'COMPENSATED') AND CASE WHEN r.is_compensation "
        "THEN s.saga = 'charge' AND s.subject_id = r.payment_id "
        "ELSE s.saga = 'refund' AND s.subject_id = r.id END)",
        says="no refund is left half done",
    ),
)
