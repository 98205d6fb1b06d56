"""What is true of payments and refunds at every moment, as queries that must find no row."""

from __future__ import annotations

from apps.core.types import Invariant

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
        name="payments: counters = refunds and disputes",
        sql="SELECT p.id FROM payments_payment p LEFT JOIN LATERAL (SELECT "
        "coalesce(sum(amount - failed_amount), 0) AS reserved, "
        "coalesce(sum(card_amount) FILTER (WHERE status <> 'FAILED'), 0) AS to_card, "
        "coalesce(sum(bearer_amount - failed_bearer_amount), 0) AS credit, "
        "coalesce(sum(amount - failed_amount) FILTER (WHERE status <> 'PENDING'), 0) AS refunded, "
        "coalesce(sum(fee_returned - failed_fee), 0) AS fee "
        "FROM payments_refund r WHERE r.payment_id = p.id AND r.book_id = p.book_id) r ON true "
        "LEFT JOIN LATERAL (SELECT coalesce(sum(amount_open), 0) AS open, "
        "coalesce(sum(amount_lost), 0) AS lost, coalesce(sum(excess), 0) AS excess, "
        "coalesce(sum(bearer_amount + shortfall), 0) AS credit "
        "FROM payments_dispute d WHERE d.payment_id = p.id AND d.book_id = p.book_id) d ON true "
        "WHERE p.refund_reserved <> r.reserved OR p.amount_refunded <> r.refunded "
        "OR p.card_refund_reserved <> r.to_card OR p.credit_returned <> r.credit + d.credit "
        "OR p.fee_returned <> r.fee OR p.amount_disputed <> d.open "
        "OR p.amount_charged_back <> d.lost OR p.amount_excess <> d.excess",
        says="a payment's counters are the sums of its refunds and disputes",
    ),
    Invariant(
        name="payments: every capture has its posting",
        sql="SELECT p.id, part.amount FROM payments_payment p CROSS JOIN LATERAL (VALUES "
        "('capture:' || p.charge_reference, p.amount_captured - p.wallet_captured), "
        "('capture:wallet:' || p.id, p.wallet_captured)) part (reference, amount) "
        "WHERE part.amount > 0 AND NOT EXISTS "
        "(SELECT 1 FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id "
        "AND e.book_id = t.book_id JOIN ledger_account a ON a.id = e.account_id "
        "WHERE t.book_id = p.book_id AND t.reference = part.reference "
        "AND a.code = 'payment:unallocated' AND e.entry_type = -1 AND e.amount = part.amount)",
        says="captured money is in the books, once and in full, whoever paid it",
    ),
    Invariant(
        name="payments: every capture posting has its payment",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'capture' "
        "AND NOT EXISTS (SELECT 1 FROM payments_payment p WHERE p.book_id = t.book_id AND "
        "(p.amount_captured > p.wallet_captured AND 'capture:' || p.charge_reference = t.reference "
        "OR p.wallet_captured > 0 AND 'capture:wallet:' || p.id = t.reference))",
        says="the books hold no capture that is not a payment's",
    ),
    Invariant(
        name="payments: every refund has its posting",
        sql="SELECT r.id, r.status, part.amount FROM payments_refund r CROSS JOIN LATERAL (VALUES "
        "('refund:' || r.provider_reference, r.card_amount, r.status = 'SUCCEEDED'), "
        "('refund:wallet:' || r.id, r.amount - r.card_amount, r.amount > r.failed_amount "
        "AND r.status <> 'PENDING')) part (reference, amount, stands) "
        "WHERE part.amount > 0 AND part.stands <> EXISTS "
        "(SELECT 1 FROM ledger_transaction t JOIN ledger_entry e ON e.transaction_id = t.id "
        "AND e.book_id = t.book_id WHERE t.book_id = r.book_id AND e.amount = part.amount "
        "AND t.reference = part.reference AND NOT EXISTS (SELECT 1 "
        "FROM ledger_transaction u WHERE u.book_id = t.book_id AND u.reverses_id = t.id))",
        says="a confirmed refund is in the books, and what failed of it later no more",
    ),
    Invariant(
        name="payments: every refund posting has its refund",
        sql="SELECT t.id, t.reference FROM ledger_transaction t WHERE t.kind = 'refund' "
        "AND t.reverses_id IS NULL AND NOT EXISTS (SELECT 1 FROM payments_refund r "
        "WHERE r.book_id = t.book_id AND (r.card_amount > 0 "
        "AND 'refund:' || r.provider_reference = t.reference "
        "OR 'refund:wallet:' || r.id = t.reference))",
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
        name="payments: platform:fees = fees of credited payments and disputes",
        sql="SELECT book_id, currency, l.amount, p.amount FROM "
        "(SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount "
        "FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
        "WHERE a.code = 'platform:fees' GROUP BY 1, 2) l FULL JOIN "
        "(SELECT book_id, currency, sum(amount) AS amount FROM (SELECT p.book_id, "
        "p.credit_currency AS currency, p.fee - p.fee_returned AS amount "
        "FROM payments_payment p JOIN sagas_run s ON s.subject_id = p.id "
        "AND s.book_id = p.book_id AND s.saga = 'charge' "
        "WHERE 'CREDIT_MERCHANT' = ANY (s.completed_steps) UNION ALL SELECT book_id, currency, "
        "provider_fee FROM payments_dispute_line) fees GROUP BY 1, 2) p "
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
        sql="SELECT p.id FROM payments_payment p WHERE p.settled_at IS NOT NULL "
        "AND p.provider <> '' AND p.amount_captured > p.wallet_captured AND NOT EXISTS (SELECT 1 "
        "FROM payments_settlement_line l WHERE l.book_id = p.book_id "
        "AND l.payment_id = p.id AND l.kind = 'charge')",
        says="settled means that the provider's statement says so, where one has paid",
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
    Invariant(
        name="payments: every credit has its line of the balance",
        sql="SELECT p.id FROM payments_payment p JOIN sagas_run s ON s.subject_id = p.id "
        "AND s.book_id = p.book_id AND s.saga = 'charge' "
        "LEFT JOIN payments_balance_transaction b ON b.book_id = p.book_id "
        "AND b.source_id = p.id AND b.kind = 'payment' "
        "WHERE 'CREDIT_MERCHANT' = ANY (s.completed_steps) AND (coalesce(b.gross, 0) <> "
        "CASE WHEN p.destination_wallet_id IS NULL THEN p.amount_credited ELSE 0 END "
        "OR coalesce(b.fee, 0) <> p.fee)",
        says="what a payment credits is a line of the merchant's balance",
    ),
    Invariant(
        name="payments: every refund has its line of the balance",
        sql="SELECT r.id FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id "
        "LEFT JOIN LATERAL (SELECT sum(b.net) AS net FROM payments_balance_transaction b "
        "WHERE b.book_id = r.book_id AND b.source_id = r.id AND b.kind <> 'refund_return') b "
        "ON true WHERE NOT r.is_compensation "
        "AND coalesce(b.net, 0) <> (r.fee_returned - r.failed_fee) "
        "- CASE WHEN p.destination_wallet_id IS NULL "
        "THEN r.bearer_amount - r.failed_bearer_amount ELSE 0 END",
        says="what a refund takes is a line of the merchant's balance",
    ),
    Invariant(
        name="payments: what a refund brings the merchant is in the books and in its balance",
        sql="SELECT coalesce(r.id, t.id) FROM (SELECT id, book_id, merchant_amount AS amount, "
        "'refund:merchant:' || id AS reference FROM payments_refund WHERE merchant_amount > 0) r "
        "FULL JOIN (SELECT t.id, t.book_id, t.reference, e.amount FROM ledger_transaction t "
        "JOIN ledger_entry e ON e.transaction_id = t.id AND e.book_id = t.book_id "
        "JOIN ledger_account a ON a.id = e.account_id WHERE t.kind = 'refund_to_merchant' "
        "AND a.code = 'merchant:payable' AND e.entry_type = -1) t USING (book_id, reference) "
        "FULL JOIN (SELECT source_id, book_id, net FROM payments_balance_transaction "
        "WHERE kind = 'refund_return') b ON b.book_id = r.book_id AND b.source_id = r.id "
        "WHERE r.amount IS DISTINCT FROM t.amount OR r.amount IS DISTINCT FROM b.net",
        says="what has no wallet to go to is the merchant's, and once",
    ),
    Invariant(
        name="payments: a payment's hold is its own",
        sql="SELECT p.id, h.status FROM payments_payment p LEFT JOIN wallets_hold h "
        "ON h.id = p.hold_id AND h.book_id = p.book_id WHERE p.hold_id IS NOT NULL AND "
        "CASE WHEN p.status IN ('CREATED', 'VALIDATED', 'REQUIRES_ACTION', 'IN_REVIEW') "
        "THEN h.status IS NOT NULL AND h.status <> 'OPEN' "
        "WHEN p.status = 'AUTHORIZED' THEN h.status IS DISTINCT FROM 'OPEN' "
        "WHEN p.wallet_captured > 0 THEN h.status IS DISTINCT FROM 'CAPTURED' "
        "OR h.captured <> p.wallet_captured "
        "ELSE h.status IN ('OPEN', 'CAPTURED') END",
        says="a hold stands while its payment is open, and ends as the payment does",
    ),
    Invariant(
        name="payments: every transfer has its posting",
        sql="SELECT t.id FROM payments_transfer t WHERE (SELECT count(*) FROM ledger_transaction l "
        "JOIN ledger_entry e ON e.transaction_id = l.id AND e.book_id = l.book_id "
        "JOIN ledger_account a ON a.id = e.account_id WHERE l.book_id = t.book_id "
        "AND l.kind = 'transfer' AND l.occurred_at = t.created_at AND e.amount = t.amount "
        "AND (e.entry_type = 1 AND a.code = 'wallet:' || t.from_wallet_id || ':available' "
        "OR e.entry_type = -1 AND a.code = 'wallet:' || t.to_wallet_id || ':available')) < 2",
        says="a transfer has left one wallet and arrived at the other",
    ),
    Invariant(
        name="payments: a conversion is what its quote promised",
        sql="SELECT coalesce(p.id, q.payment_id) FROM payments_payment p FULL JOIN "
        "(SELECT * FROM payments_quote WHERE payment_id IS NOT NULL) q "
        "ON q.book_id = p.book_id AND q.id = p.quote_id AND q.payment_id = p.id "
        "WHERE (q.id IS NULL AND p.quote_id IS NOT NULL) OR (q.id IS NOT NULL AND "
        "(p.amount, p.currency, p.credit_currency, p.rate, p.rate_mid) IS DISTINCT FROM "
        "(q.amount, q.from_currency, q.to_currency, q.rate, q.rate_mid))",
        says="a quote is used by one payment, which has its amount and its rates",
    ),
    Invariant(
        name="payments: platform:fx_revenue = spreads of credited payments",
        sql="SELECT book_id, currency, l.amount, p.amount FROM "
        "(SELECT a.book_id, a.currency, sum(-e.entry_type * e.amount) AS amount "
        "FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id "
        "WHERE a.code = 'platform:fx_revenue' GROUP BY 1, 2) l FULL JOIN "
        "(SELECT p.book_id, p.credit_currency AS currency, sum(p.fx_spread) AS amount "
        "FROM payments_payment p JOIN sagas_run s ON s.subject_id = p.id "
        "AND s.book_id = p.book_id AND s.saga = 'charge' WHERE p.fx_spread > 0 "
        "AND 'CREDIT_MERCHANT' = ANY (s.completed_steps) GROUP BY 1, 2) p "
        "USING (book_id, currency) WHERE coalesce(l.amount, 0) <> coalesce(p.amount, 0)",
        says="a spread is booked once, with the credit of its payment",
    ),
)
