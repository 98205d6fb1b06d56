"""Every invariant of receipts can fail: each is shown a book that breaks it, and finds it."""

from __future__ import annotations

import pytest
from django.db import transaction

from apps.core import clock
from apps.payments import services
from apps.payments.receipt_invariants import INVARIANTS
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.test_payout_invariants import broken_by

_CASE = " WHERE id = (SELECT id FROM payments_suspense_case WHERE status = 'OPEN' LIMIT 1)"
_STRAY = (
    "INSERT INTO ledger_transaction (id, book_id, reference, kind, occurred_at, booked_on,"
    " created_at, fingerprint) SELECT gen_random_uuid(), id, '{0}' || id, '{1}', now(), now(),"
    " now(), '\\x00' FROM ledger_book"
)

# What breaks each of them, past every guard that there is: each statement for itself.
BROKEN_BY = {
    "receipts: every receipt is booked or waits to be": [
        "DELETE FROM payments_receipt_waiting",
        "INSERT INTO payments_receipt_waiting SELECT gen_random_uuid()",
        "INSERT INTO payments_receipt_waiting SELECT receipt_id FROM payments_receipt_posting",
        "DELETE FROM payments_receipt_posting",
    ],
    "receipts: every receipt that was booked has its posting": [
        "UPDATE payments_bank_receipt SET amount = amount + 1",
        "UPDATE payments_receipt_posting SET book_id = gen_random_uuid() WHERE reason = ''",
        "UPDATE ledger_transaction SET reference = 'suspense:x' WHERE id ="
        " (SELECT id FROM ledger_transaction WHERE kind = 'suspense' LIMIT 1)",
    ],
    "receipts: every such posting has its receipt": [
        "DELETE FROM payments_receipt_posting WHERE reason = ''",
        "DELETE FROM payments_receipt_posting WHERE reason <> ''",
        _STRAY.format("capture:receipt:", "capture"),
        _STRAY.format("suspense:", "suspense"),
    ],
    "receipts: platform:suspense = open cases": [
        "UPDATE payments_suspense_case SET amount = amount + 1" + _CASE,
        "UPDATE payments_suspense_case SET status = 'RETURNED', resolved_at = now()" + _CASE,
        "UPDATE ledger_account SET code = 'platform:losses' WHERE code = 'platform:suspense'",
    ],
    "receipts: suspense has its case": [
        "DELETE FROM payments_suspense_case" + _CASE,
        "UPDATE payments_suspense_case SET reason = 'over'" + _CASE,
        "INSERT INTO payments_suspense_case SELECT gen_random_uuid(), book_id, status, reason,"
        " currency, amount, payment_id, allocated_to, resolved_by, resolved_at, created_at"
        " FROM payments_suspense_case",
    ],
    "receipts: a case is booked as it was resolved": [
        "UPDATE payments_suspense_case SET status = 'OPEN', resolved_at = NULL"
        " WHERE status = 'RETURNED'",
        "UPDATE payments_suspense_case SET status = 'OPEN', resolved_at = NULL,"
        " allocated_to = NULL WHERE status = 'ALLOCATED'",
        "UPDATE payments_suspense_case SET status = 'ALLOCATED', resolved_at = now(),"
        " allocated_to = book_id" + _CASE,
    ],
    "receipts: a payment's money has come": [
        "UPDATE payments_receipt_posting SET reason = 'short' WHERE reason = ''",
        "UPDATE payments_receipt_posting SET payment_id = gen_random_uuid() WHERE reason = ''",
        "UPDATE payments_payment SET method = 'card' WHERE amount_captured > 0",
        "UPDATE payments_suspense_case SET amount = amount - 1 WHERE status = 'ALLOCATED'",
    ],
    "receipts: an awaited payment has its reference": [
        "DELETE FROM payments_virtual_reference",
        "UPDATE payments_virtual_reference SET book_id = gen_random_uuid()",
    ],
    "receipts: every change of a case has its audit row": [
        "DELETE FROM audit_entry WHERE action = 'suspense_case.opened'",
        "DELETE FROM audit_entry WHERE action = 'suspense_case.allocated'",
        "DELETE FROM audit_entry WHERE action = 'suspense_case.returned'",
    ],
}


@pytest.fixture
def busy(merchant: Merchant) -> Merchant:
    """Something of every kind: awaited, matched, put together by a person, sent back, open."""
    transfers.ask(merchant)
    matched, together = transfers.ask(merchant), transfers.ask(merchant)
    reference = transfers.reference_of(together)
    transfers.bank_tells(
        ("b1", "100.00", transfers.reference_of(matched)),
        *(
            ("b2", "60.00", reference),
            ("b3", "40.00", "nothing of ours"),
            ("b4", "7.00", reference),
        ),
    )
    short, unknown, returned = transfers.cases()
    now = clock.now()
    with transaction.atomic():
        services.allocate(
            case_ids=[short.id, unknown.id], payment=together["id"], actor="staff:1", now=now
        )
        services.return_to_sender(case_ids=[returned.id], actor="staff:1", now=now)
    transfers.bank_tells(("b5", "7.00", reference), ("b6", "8.00", ""))
    finish_runs()
    text = transfers.statement(("b7", "9.00", ""))
    services.import_statement(text=text, actor="staff:1", now=now)
    return merchant


class TestEveryInvariant:
    def test_has_its_violation_here(self) -> None:
        assert {invariant.name for invariant in INVARIANTS} == set(BROKEN_BY)

    def test_finds_everything_that_breaks_it(self, busy: Merchant) -> None:
        assert truth.violations() == {}
        for name, statements in BROKEN_BY.items():
            for statement in statements:
                assert name in broken_by(statement), (name, statement)
        assert truth.violations() == {}
