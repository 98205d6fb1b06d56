"""What is true of disputes at every moment, as queries that must find no row."""

from __future__ import annotations

from apps.core.types import Invariant
from apps.payments.models import MOVED

# An account, by book and currency, is the sum of these rows (book_id, currency, amount).
_ACCOUNT = """
SELECT book_id, currency, l.amount, r.amount FROM
    (SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount
     FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
     WHERE a.code {codes} GROUP BY 1, 2) l
FULL JOIN (SELECT book_id, currency, sum(amount) AS amount FROM ({rows}) x GROUP BY 1, 2) r
USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(r.amount, 0)
"""
_MOVES = """
SELECT d.id FROM payments_dispute d LEFT JOIN LATERAL (SELECT {sums} FROM payments_dispute_move m
    WHERE m.book_id = d.book_id AND m.dispute_id = d.id) m ON true
WHERE ({of_dispute}) IS DISTINCT FROM ({of_moves})
"""

INVARIANTS = (
    Invariant(
        name="disputes: merchant:disputed = open disputes",
        sql=_ACCOUNT.format(
            codes="= 'merchant:disputed'",
            rows="SELECT book_id, currency, amount_open AS amount FROM payments_dispute",
        ),
        says="what is set aside is what is disputed",
    ),
    Invariant(
        name="disputes: provider:disputed = withdrawn and undecided",
        sql=_ACCOUNT.format(
            codes="LIKE 'provider:%:disputed'",
            rows="SELECT book_id, currency, gross AS amount FROM payments_dispute_line "
            "UNION ALL SELECT book_id, currency, amount_lost FROM payments_dispute",
        ),
        says="what a provider has withdrawn comes back or is lost",
    ),
    Invariant(
        name="disputes: platform:excess = what exceeds budgets and wallets",
        sql=_ACCOUNT.format(
            codes="= 'platform:excess'",
            rows="SELECT book_id, currency, excess_charged + excess_written_off - excess AS amount "
            "FROM payments_dispute UNION ALL SELECT d.book_id, p.credit_currency, "
            "d.shortfall_charged + d.shortfall_written_off - d.shortfall FROM payments_dispute d "
            "JOIN payments_payment p ON p.id = d.payment_id",
        ),
        says="what went out beyond a budget, and nobody has decided about, is known by its dispute",
    ),
    Invariant(
        name="disputes: platform:losses = what was written off of them",
        sql="SELECT book_id, currency, l.amount, r.amount FROM (SELECT a.book_id, a.currency, "
        "sum(e.entry_type * e.amount) AS amount FROM ledger_transaction t JOIN ledger_entry e "
        "ON e.transaction_id = t.id AND e.book_id = t.book_id JOIN ledger_account a "
        "ON a.id = e.account_id "
        "WHERE t.kind IN ('dispute', 'dispute_excess') AND a.code = 'platform:losses' "
        "GROUP BY 1, 2) l FULL JOIN (SELECT book_id, currency, sum(amount) AS amount FROM "
        "(SELECT book_id, currency, excess_written_off AS amount FROM payments_dispute "
        "UNION ALL SELECT d.book_id, p.credit_currency, d.shortfall_written_off "
        "FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id) x GROUP BY 1, 2) "
        "r USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(r.amount, 0)",
        says="what we have written off is a loss, and what came back of it no more",
    ),
    Invariant(
        name="disputes: excess is what exceeds",
        sql="SELECT id FROM payments_payment WHERE amount_disputed + amount_charged_back > 0 "
        "AND amount_excess <> greatest(0, amount_disputed + amount_charged_back - amount_captured "
        "+ greatest(refund_reserved, wallet_captured + card_refund_reserved))",
        says="a budget that has room bears what disputes took beyond it",
    ),
    Invariant(
        name="disputes: what exceeds has an open case",
        sql="SELECT d.id FROM payments_dispute d WHERE (d.excess + d.shortfall - d.excess_charged "
        "- d.excess_written_off - d.shortfall_charged - d.shortfall_written_off > 0) <> EXISTS "
        "(SELECT 1 FROM payments_excess_case c WHERE c.book_id = d.book_id "
        "AND c.dispute_id = d.id AND c.closed_at IS NULL)",
        says="somebody looks at whatever went out beyond the budget",
    ),
    Invariant(
        name="disputes: a dispute is its moves",
        sql=_MOVES.format(
            sums=", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in MOVED),
            of_dispute=", ".join(f"d.{name}" for name in MOVED),
            of_moves=", ".join(f"m.{name}" for name in MOVED),
        ),
        says="every amount of a dispute was moved, and every move is in its amounts",
    ),
    Invariant(
        name="disputes: a dispute is over or set aside",
        sql="SELECT id, status FROM payments_dispute WHERE amount_open <> CASE "
        "WHEN stage <> 'inquiry' AND status IN ('NEEDS_RESPONSE', 'UNDER_REVIEW') "
        "THEN amount ELSE 0 END OR (status IN ('WON', 'PART_LOST', 'LOST')) "
        "<> (closed_at IS NOT NULL) OR (amount_lost > 0) <> (status IN ('PART_LOST', 'LOST'))",
        says="what is open is set aside in full, and what is over no more",
    ),
    Invariant(
        name="disputes: every move has its posting",
        sql="SELECT m.id FROM payments_dispute_move m WHERE NOT EXISTS "
        "(SELECT 1 FROM ledger_transaction t WHERE t.book_id = m.book_id "
        "AND t.kind IN ('dispute', 'dispute_excess') AND t.reference = 'dispute:' || m.id)",
        says="whatever a dispute moves is in the books",
    ),
    Invariant(
        name="disputes: every such posting has its move",
        sql="SELECT t.id, t.reference FROM ledger_transaction t "
        "WHERE t.kind IN ('dispute', 'dispute_excess') AND NOT EXISTS "
        "(SELECT 1 FROM payments_dispute_move m WHERE m.book_id = t.book_id "
        "AND t.reference = 'dispute:' || m.id)",
        says="the books hold no dispute that nobody made",
    ),
    Invariant(
        name="disputes: every line has its posting",
        sql="SELECT l.id FROM payments_dispute_line l WHERE NOT EXISTS "
        "(SELECT 1 FROM ledger_transaction t WHERE t.book_id = l.book_id "
        "AND t.kind = 'dispute_line' AND t.reference = 'dispute:line:' || l.line_reference)",
        says="what the provider has withdrawn or returned is in the books",
    ),
    Invariant(
        name="disputes: every posting of a line has its line",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'dispute_line' "
        "AND NOT EXISTS (SELECT 1 FROM payments_dispute_line l WHERE l.book_id = t.book_id "
        "AND t.reference = 'dispute:line:' || l.line_reference)",
        says="nothing is withdrawn that the provider's statement does not hold",
    ),
    Invariant(
        name="disputes: a line that is paid out was booked before",
        sql="SELECT s.id FROM payments_settlement_line s WHERE s.kind IN "
        "('dispute', 'dispute_reversal') AND NOT EXISTS (SELECT 1 FROM payments_dispute_line l "
        "WHERE l.book_id = s.book_id AND l.provider = s.provider "
        "AND l.line_reference = s.line_reference)",
        says="the net of a dispute's line is paid out after its gross was withdrawn",
    ),
    Invariant(
        name="disputes: a dispute counts its lines",
        sql="SELECT d.id FROM payments_dispute d LEFT JOIN LATERAL (SELECT "
        "coalesce(sum(greatest(-gross, 0)), 0) AS withdrawn, "
        "coalesce(sum(greatest(gross, 0)), 0) AS returned, coalesce(sum(provider_fee), 0) AS fee "
        "FROM payments_dispute_line l WHERE l.book_id = d.book_id AND l.dispute_id = d.id) l "
        "ON true WHERE (d.amount_withdrawn, d.amount_returned, d.provider_fee) "
        "IS DISTINCT FROM (l.withdrawn, l.returned, l.fee)",
        says="what a dispute says of its lines is their sum",
    ),
    Invariant(
        name="disputes: what they take is in the merchant's balance",
        sql="SELECT m.id, m.amount, b.net FROM (SELECT id, book_id, "
        "CASE WHEN wallet_id IS NULL THEN -bearer_amount ELSE 0 END - merchant_charged AS amount "
        "FROM payments_dispute_move UNION ALL SELECT id, book_id, "
        "-coalesce(merchant_fee, provider_fee) "
        "FROM payments_dispute_line) m LEFT JOIN LATERAL (SELECT sum(net) AS net "
        "FROM payments_balance_transaction b WHERE b.book_id = m.book_id "
        "AND b.source_id = m.id) b ON true WHERE coalesce(b.net, 0) <> m.amount",
        says="what a dispute takes from the merchant is a line of the balance",
    ),
    Invariant(
        name="disputes: every change has its event and its audit row",
        sql="SELECT d.id, d.version FROM payments_dispute d WHERE d.version <> "
        "(SELECT count(*) FROM notifications_event e WHERE e.book_id = d.book_id "
        "AND e.subject_id = d.id) OR d.version <> (SELECT count(*) FROM audit_entry a "
        "WHERE a.book_id = d.book_id AND a.subject_id = d.id)",
        says="a version is an event and an audit row of the same commit",
    ),
    Invariant(
        name="disputes: an order is carried out, or a run is about to",
        sql="SELECT d.id FROM payments_dispute d WHERE d.status IN "
        "('NEEDS_RESPONSE', 'UNDER_REVIEW') AND (d.evidence_ordered_at IS NOT NULL "
        "AND d.evidence_sent_at IS NULL OR d.accept_ordered_at IS NOT NULL) AND NOT EXISTS "
        "(SELECT 1 FROM sagas_run s WHERE s.book_id = d.book_id AND s.subject_id = d.id "
        "AND s.saga = 'dispute' AND s.status NOT IN ('COMPLETED', 'COMPENSATED'))",
        says="an answer that was ordered is on its way",
    ),
)
