"""What is true of customers, wallets and holds, always; `check_books` runs each."""

from apps.core.types import Invariant

INVARIANTS = (
    Invariant(
        name="payment_method_has_token",
        sql="""
            SELECT m.id FROM wallets_payment_method m
            LEFT JOIN wallets_customer c ON c.id = m.customer_id
            WHERE c.erased_at IS NULL AND (m.detached_at IS NULL) <> EXISTS (
                SELECT FROM wallets_payment_method_token t WHERE t.payment_method_id = m.id)""",
        says="A payment method has a provider's token until it is detached or its customer erased.",
    ),
    Invariant(
        name="erased_customer_has_no_token",
        sql="""
            SELECT c.id FROM wallets_customer c
            JOIN wallets_payment_method m ON m.customer_id = c.id
            JOIN wallets_payment_method_token t ON t.payment_method_id = m.id
            WHERE c.erased_at IS NOT NULL""",
        says="Nothing of an erased customer can be charged.",
    ),
    Invariant(
        name="default_payment_method_is_the_customers",
        sql="""
            SELECT c.id FROM wallets_customer c
            LEFT JOIN wallets_payment_method m ON m.id = c.default_payment_method_id
            WHERE c.default_payment_method_id IS NOT NULL AND (
                m.customer_id IS DISTINCT FROM c.id OR m.detached_at IS NOT NULL
                OR c.erased_at IS NOT NULL)""",
        says="A customer's default payment method is one of theirs, and not detached.",
    ),
    Invariant(
        name="payment_method_stays_in_its_book",
        sql="""
            SELECT m.id FROM wallets_payment_method m
            LEFT JOIN wallets_customer c ON c.id = m.customer_id
            JOIN wallets_payment_method_token t ON t.payment_method_id = m.id
            WHERE c.book_id <> m.book_id OR t.book_id <> m.book_id
                OR t.customer_id IS DISTINCT FROM m.customer_id""",
        says="A payment method, its customer and its tokens are of one book.",
    ),
    Invariant(
        name="wallet_held_is_its_open_holds",
        sql="""
            SELECT w.id, a.balance, h.amount FROM wallets_wallet w
            LEFT JOIN ledger_account a ON a.book_id = w.book_id
                AND a.code = 'wallet:' || w.id || ':held' AND a.currency = w.currency
            LEFT JOIN (
                SELECT wallet_id, sum(amount) AS amount FROM wallets_hold
                WHERE status = 'OPEN' GROUP BY wallet_id
            ) h ON h.wallet_id = w.id
            WHERE coalesce(a.balance, 0) <> coalesce(h.amount, 0)""",
        says="What a wallet holds back is the sum of its open holds.",
    ),
    Invariant(
        name="wallet_money_is_of_a_wallet",
        sql="""
            SELECT a.book_id, a.code, a.currency, a.balance FROM ledger_account a
            WHERE a.code LIKE 'wallet:%' AND a.balance <> 0 AND NOT EXISTS (
                SELECT FROM wallets_wallet w
                WHERE w.id::text = split_part(a.code, ':', 2) AND w.book_id = a.book_id
                    AND w.currency = a.currency AND w.status <> 'CLOSED')""",
        says="Money in the books of a wallet is an open wallet's, of its book and its currency.",
    ),
    Invariant(
        name="hold_stays_in_its_wallet",
        sql="""
            SELECT h.id FROM wallets_hold h LEFT JOIN wallets_wallet w ON w.id = h.wallet_id
            WHERE w.id IS NULL OR w.book_id <> h.book_id OR w.currency <> h.currency
                OR (w.status = 'CLOSED' AND h.status = 'OPEN')""",
        says="A hold is of its wallet's book and currency, and open on no closed wallet.",
    ),
    Invariant(
        name="wallet_change_is_audited",
        sql="""
            SELECT w.id, w.version FROM wallets_wallet w WHERE w.version <> (
                SELECT count(*) FROM audit_entry a
                WHERE a.book_id = w.book_id AND a.subject_id = w.id)""",
        says="Every change of a wallet has its audit row.",
    ),
    Invariant(
        name="hold_change_is_audited",
        sql="""
            SELECT h.id, h.status FROM wallets_hold h LEFT JOIN LATERAL (
                SELECT count(*) FILTER (WHERE a.action = 'hold.placed') AS placed,
                    count(*) FILTER (WHERE a.action IN
                        ('hold.captured', 'hold.released', 'hold.expired')) AS ended,
                    bool_or(a.action = 'hold.' || lower(h.status)) AS as_it_is
                FROM audit_entry a WHERE a.book_id = h.book_id AND a.subject_id = h.id
            ) a ON true
            WHERE a.placed <> 1 OR a.ended <> (h.status <> 'OPEN')::int
                OR (h.status <> 'OPEN' AND a.as_it_is IS NOT TRUE)""",
        says="A hold is placed once and ends once, each with its audit row.",
    ),
)
