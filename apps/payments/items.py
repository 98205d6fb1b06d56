"""Which lines of the balance a payout took, and of the last of them how much.

The oldest first, until the amount is reached; lines that took money (refunds, reserves) are taken
too, where they stand. Whoever takes holds the lock of `merchant:payable`: everybody else who adds a
payable line posts to that account in the same commit, so the lines that are seen are its balance.
"""

from __future__ import annotations

from apps.core import db
from apps.payments.models import Payout

NOT_THE_PAYOUT = "payments: the lines of the balance do not add up to the payout"

# All that is there takes every line; of less, the line in which the amount ends is split.
_TAKE = """
WITH unpaid AS (
    SELECT id, net - paid_out AS rest, sum(net - paid_out) OVER w AS upto,
           row_number() OVER w AS place
    FROM payments_balance_transaction
    WHERE book_id = %s AND currency = %s AND payable_at IS NOT NULL AND paid_out <> net
    WINDOW w AS (ORDER BY id)
), ending AS (
    SELECT CASE WHEN sum(rest) = %s THEN count(*) ELSE min(place) FILTER (WHERE upto >= %s) END
        AS place
    FROM unpaid
), taken AS (
    SELECT u.id, CASE WHEN u.place = e.place THEN u.rest - (u.upto - %s) ELSE u.rest END AS amount
    FROM unpaid u JOIN ending e ON u.place <= e.place
), counted AS (
    UPDATE payments_balance_transaction b SET paid_out = b.paid_out + t.amount
    FROM taken t WHERE b.id = t.id RETURNING t.amount
), noted AS (
    INSERT INTO payments_payout_item (id, book_id, payout_id, balance_transaction_id, amount)
    SELECT uuidv7(), %s, %s, id, amount FROM taken ORDER BY id RETURNING amount
)
SELECT core_require((SELECT coalesce(sum(amount), 0) FROM noted) = %s
    AND (SELECT coalesce(sum(amount), 0) FROM counted) = %s, %s)
"""

_GIVE_BACK = """
UPDATE payments_balance_transaction b SET paid_out = b.paid_out - i.amount
FROM payments_payout_item i
WHERE i.book_id = %s AND i.payout_id = %s AND b.id = i.balance_transaction_id
"""


def take(payout: Payout) -> None:
    """Itemize a payout of the merchant's money.

    One statement, however many lines: a payout of a hundred thousand payments takes seconds.
    Transaction: the caller's, which has locked the balance of `merchant:payable` before.

    :raises db.GuardFailed: (when sent) the lines do not add up to it.
    """
    if payout.wallet_id is not None:
        return
    amount = payout.amount
    db.write(
        _TAKE,
        (
            *(payout.book_id, payout.currency, amount, amount, amount),
            *(payout.book_id, payout.id, amount, amount, NOT_THE_PAYOUT),
        ),
    )


def give_back(payout: Payout) -> None:
    """What a payout took can be taken again; its items stay, and count no more.

    Transaction: the caller's, whose posting to `merchant:payable` comes first: it is the lock.
    """
    if payout.wallet_id is None:
        db.write(_GIVE_BACK, (payout.book_id, payout.id))
