"""Money on its way out to a bank account: a merchant's payout, or a withdrawal from a wallet."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from apps.core import ids
from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.balance import BalanceTransaction
from apps.payments.models.base import HAS_NOTES, Remembering, amount_field
from apps.payments.types import PayoutKind, PayoutStatus


class Payout(Remembering):
    """Reserved when it is made, PAID when the bank has it, RETURNED if the bank sends it back.

    With `wallet_id` it is a withdrawal of that wallet's, else the merchant's own payable money.
    `to_merchant_at` is when a person decided that the merchant gets what comes back of a
    withdrawal whose wallet was closed meanwhile.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=[(k, k) for k in PayoutKind])
    status = FSMField(
        default=PayoutStatus.PENDING,
        choices=[(s, s) for s in PayoutStatus],
        protected=True,
        max_length=16,
    )
    currency = models.CharField(max_length=3)
    amount = amount_field()
    wallet_id = models.UUIDField(null=True)
    bank_account_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    provider_reference = models.CharField(max_length=255, blank=True)
    description = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict)
    failure_code = models.CharField(max_length=60, blank=True)
    expected_on = models.DateField(null=True)
    sent_at = models.DateTimeField(null=True)
    paid_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)
    to_merchant_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_payout"
        permissions = [("redirect_payout", "Can give what comes back of withdrawals to merchants")]
        constraints = [
            models.CheckConstraint(
                condition=Q(to_merchant_at=None) | Q(wallet_id__isnull=False),
                name="payments_payout_to_merchant",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_payout_positive"),
            models.CheckConstraint(
                condition=Q(kind=PayoutKind.WITHDRAWAL, wallet_id__isnull=False)
                | Q(kind__in=[PayoutKind.MANUAL, PayoutKind.AUTOMATIC], wallet_id=None),
                name="payments_payout_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_payout_newest"),
            models.Index(
                fields=["book_id", "wallet_id"],
                name="payments_payout_noted",
                condition=HAS_NOTES["description"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this payout's amounts as `Money`."""
        return Money(amount, self.currency)

    @transition(field="status", source=PayoutStatus.PENDING, target=PayoutStatus.IN_TRANSIT)
    def mark_in_transit(self) -> None: ...

    @transition(
        field="status",
        source=[PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT],
        target=PayoutStatus.PAID,
    )
    def mark_paid(self) -> None: ...

    @transition(
        field="status",
        source=[PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT],
        target=PayoutStatus.FAILED,
    )
    def mark_failed(self) -> None: ...

    @transition(field="status", source=PayoutStatus.PAID, target=PayoutStatus.RETURNED)
    def mark_returned(self) -> None: ...


class PayoutItem(models.Model):
    """What a payout took of one line of the balance: a payout is the sum of its items.

    Append-only; the items of a payout that failed or was returned count no more.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    payout = models.ForeignKey(
        Payout, on_delete=models.PROTECT, related_name="items", db_constraint=False
    )
    balance_transaction = models.ForeignKey(
        BalanceTransaction, on_delete=models.PROTECT, related_name="items", db_constraint=False
    )
    amount = amount_field()  # signed

    class Meta:
        db_table = "payments_payout_item"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "payout", "balance_transaction"],
                name="payments_payout_item_once",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="payments_payout_item_not_zero"),
        ]

    def __str__(self) -> str:
        return ids.encode("poi", self.id)


class Transfer(Remembering):
    """Money from one wallet of a merchant's to another of the same currency; never changed but for
    its notes, which are forgotten with a customer."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    from_wallet_id = models.UUIDField()
    to_wallet_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    amount = amount_field()
    description = models.CharField(max_length=500, blank=True)
    metadata = models.JSONField(default=dict)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_transfer"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & ~Q(from_wallet_id=F("to_wallet_id")),
                name="payments_transfer_to_another",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_transfer_newest"),
            *(
                models.Index(
                    fields=["book_id", f"{end}_wallet_id"],
                    name=f"payments_transfer_noted_{end}",
                    condition=HAS_NOTES["description"],
                )
                for end in ("from", "to")
            ),
        ]

    def __str__(self) -> str:
        return shown(Money(self.amount, self.currency))
