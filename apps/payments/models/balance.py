"""A merchant's balance, line by line: what came, what went, and from when on it may be paid out."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.base import ZERO, Remembering, amount_field
from apps.payments.types import BalanceKind


class BalanceTransaction(Remembering):
    """One change of a merchant's balance: gross, fee, and net = gross - fee, each signed.

    `merchant:pending` is the sum of the nets that are not payable yet, `merchant:payable` that of
    those that are. `paid_out` is what payouts have taken of it so far, in the sign of `net`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    kind = models.CharField(max_length=24, choices=[(k, k) for k in BalanceKind])
    source_id = models.UUIDField()  # the payment, refund, payout or reserve that it is about
    payment_id = models.UUIDField(null=True)
    currency = models.CharField(max_length=3)
    gross = amount_field()
    fee = amount_field()
    net = amount_field()
    available_on = models.DateField()
    payable_at = models.DateTimeField(null=True)
    release_id = models.UUIDField(null=True)
    paid_out = amount_field(default=ZERO)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_balance_transaction"
        constraints = [
            models.CheckConstraint(
                condition=Q(net=F("gross") - F("fee")), name="payments_balance_net"
            ),
            models.CheckConstraint(
                condition=Q(net__gte=0, paid_out__gte=0, paid_out__lte=F("net"))
                | Q(net__lt=0, paid_out__lte=0, paid_out__gte=F("net")),
                name="payments_balance_paid_out",
            ),
            # A fact changes a balance once: a payment is credited once, a refund taken once, …
            models.UniqueConstraint(
                fields=["book_id", "kind", "source_id"], name="payments_balance_once"
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_balance_newest"),
            models.Index(
                fields=["book_id", "currency", "available_on"],
                name="payments_balance_pending",
                condition=Q(payable_at=None),
            ),
            models.Index(
                fields=["book_id", "currency", "id"],
                name="payments_balance_unpaid",
                condition=Q(payable_at__isnull=False) & ~Q(paid_out=F("net")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {shown(Money(self.net, self.currency))}"


class Release(Remembering):
    """What became payable at once: one posting of a merchant, currency and `available_on`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    available_on = models.DateField()
    amount = amount_field()  # signed
    lines = models.IntegerField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_release"

    def __str__(self) -> str:
        return f"{self.available_on} {shown(Money(self.amount, self.currency))}"


class Reserve(Remembering):
    """A part of a release that is kept back for a while, in `merchant:reserve`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    release = models.ForeignKey(Release, on_delete=models.PROTECT, db_constraint=False)
    currency = models.CharField(max_length=3)
    amount = amount_field()
    free_on = models.DateField()
    freed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_reserve"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_reserve_positive"),
        ]
        indexes = [
            models.Index(
                fields=["free_on"], name="payments_reserve_due", condition=Q(freed_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.free_on} {shown(Money(self.amount, self.currency))}"


class SettlementLine(Remembering):
    """One line of a provider's statement that has been booked; append-only, once per line."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    line_reference = models.CharField(max_length=255)
    payout_reference = models.CharField(max_length=255)
    payment_id = models.UUIDField()
    kind = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    gross = amount_field()
    provider_fee = amount_field()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_settlement_line"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "provider", "line_reference"],
                name="payments_settlement_line_once",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "payment_id"], name="payments_settlement_payment"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {shown(Money(self.gross, self.currency))}"
