"""Money that came to our bank: what the statement says, what it was booked as, and open questions.

A receipt is stored before anything is decided about it, and belongs to no book yet. Its posting
says which book it came to, once: as a payment's money, or as suspense with a case.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.base import amount_field
from apps.payments.types import CaseStatus, SuspenseReason


class VirtualReference(models.Model):
    """What a customer writes on their bank transfer, and whose payment it finds; append-only."""

    reference = models.CharField(max_length=25, primary_key=True)
    book_id = models.UUIDField()
    payment_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_virtual_reference"
        indexes = [models.Index(fields=["payment_id"], name="payments_reference_payment")]

    def __str__(self) -> str:
        return self.reference


class BankReceipt(models.Model):
    """One line of a bank statement, as it was told; append-only, once by its bank reference."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    bank_reference = models.CharField(max_length=100, unique=True)
    booked_on = models.DateField()
    currency = models.CharField(max_length=3)
    amount = amount_field()
    reference = models.CharField(max_length=25, blank=True)
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_bank_receipt"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_receipt_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.bank_reference} {shown(self.money)}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class ReceiptWaiting(models.Model):
    """A receipt that nobody has booked yet: added with it, deleted by whoever books it."""

    receipt = models.OneToOneField(
        BankReceipt, on_delete=models.PROTECT, primary_key=True, db_constraint=False
    )

    class Meta:
        db_table = "payments_receipt_waiting"

    def __str__(self) -> str:
        return f"{self.receipt_id}"


class ReceiptPosting(models.Model):
    """What a receipt was booked as, once and for all; append-only.

    With a `reason` it is suspense and has a case. `payment_id` is whose reference it named.
    """

    receipt = models.OneToOneField(
        BankReceipt, on_delete=models.PROTECT, primary_key=True, db_constraint=False
    )
    book_id = models.UUIDField()
    payment_id = models.UUIDField(null=True)
    reason = models.CharField(
        max_length=20, blank=True, choices=[(reason, reason) for reason in SuspenseReason]
    )
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_receipt_posting"
        indexes = [models.Index(fields=["book_id", "payment_id"], name="payments_receipt_payment")]

    def __str__(self) -> str:
        return self.reason or "matched"


class SuspenseCase(models.Model):
    """Money in suspense that a person must explain. Its id is the receipt's.

    `payment_id` is the payment whose reference it named, `allocated_to` the one that got it.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    book_id = models.UUIDField()
    status = models.CharField(
        max_length=10, default=CaseStatus.OPEN, choices=[(s, s) for s in CaseStatus]
    )
    reason = models.CharField(max_length=20, choices=[(r, r) for r in SuspenseReason])
    currency = models.CharField(max_length=3)
    amount = amount_field()
    payment_id = models.UUIDField(null=True)
    allocated_to = models.UUIDField(null=True)
    resolved_by = models.CharField(max_length=80, blank=True)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_suspense_case"
        permissions = [("resolve_suspensecase", "Can resolve suspense cases")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=CaseStatus.OPEN, allocated_to=None, resolved_at=None)
                | Q(
                    status=CaseStatus.ALLOCATED,
                    allocated_to__isnull=False,
                    resolved_at__isnull=False,
                )
                | Q(status=CaseStatus.RETURNED, allocated_to=None, resolved_at__isnull=False),
                name="payments_suspense_case_resolved",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-id"], name="payments_suspense_open", condition=Q(status=CaseStatus.OPEN)
            ),
            models.Index(fields=["book_id", "allocated_to"], name="payments_suspense_payment"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {shown(self.money)}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)
