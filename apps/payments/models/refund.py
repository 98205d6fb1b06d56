"""The refund: a part of a captured payment on its way back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.base import HAS_NOTES, ZERO, Remembering, amount_field
from apps.payments.models.payment import Payment
from apps.payments.types import RefundStatus


class Refund(Remembering):
    """Money on its way back: reserved when asked for, confirmed when the provider says so.

    `amount` is in the payment's currency, `card_amount` of it goes back to the card and the rest
    into the wallet `to_wallet_id`. `bearer_amount`, what it takes from whom it was credited to,
    and `fee_returned` are in the payment's `credit_currency`.

    `merchant_amount`, in `credit_currency`, is what the merchant has of it in place of a wallet
    that was closed meanwhile: the wallet's part of what succeeded, or, of a top-up, what did not
    stand.

    What of a refund did not stand is `failed_…`: all of it, or, days after it was confirmed, the
    card's part alone, since a wallet's cash may have been spent.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="refunds", db_constraint=False
    )
    status = FSMField(
        default=RefundStatus.PENDING,
        choices=[(s, s) for s in RefundStatus],
        protected=True,
        max_length=16,
    )
    currency = models.CharField(max_length=3)
    amount = amount_field()
    card_amount = amount_field()
    to_wallet_id = models.UUIDField(null=True)
    bearer_amount = amount_field()
    fee_returned = amount_field(default=ZERO)
    failed_amount = amount_field(default=ZERO)
    failed_bearer_amount = amount_field(default=ZERO)
    failed_fee = amount_field(default=ZERO)
    merchant_amount = amount_field(default=ZERO)
    reason = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict)
    is_compensation = models.BooleanField(default=False)
    provider_reference = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_refund"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_refund_positive"),
            models.CheckConstraint(
                condition=Q(fee_returned__gte=0, fee_returned__lte=F("bearer_amount")),
                name="payments_refund_fee",
            ),
            models.CheckConstraint(
                condition=Q(card_amount__gte=0, card_amount__lte=F("amount"), bearer_amount__gte=0)
                & (Q(card_amount=F("amount")) | Q(to_wallet_id__isnull=False)),
                name="payments_refund_parts",
            ),
            models.CheckConstraint(
                condition=Q(
                    failed_amount__gte=0,
                    failed_amount__lte=F("amount"),
                    failed_bearer_amount__gte=0,
                    failed_bearer_amount__lte=F("bearer_amount"),
                    failed_fee__gte=0,
                    failed_fee__lte=F("fee_returned"),
                ),
                name="payments_refund_failed_part",
            ),
            models.CheckConstraint(
                condition=Q(merchant_amount__gte=0), name="payments_refund_to_merchant"
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_refund_newest"),
            models.Index(
                fields=["book_id", "payment"],
                name="payments_refund_noted",
                condition=HAS_NOTES["reason"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this refund's amounts as `Money`."""
        return Money(amount, self.currency)

    @property
    def wallet_amount(self) -> Decimal:
        return self.amount - self.card_amount

    @transition(field="status", source=RefundStatus.PENDING, target=RefundStatus.SUCCEEDED)
    def mark_succeeded(self) -> None: ...

    @transition(
        field="status",
        source=[RefundStatus.PENDING, RefundStatus.SUCCEEDED],
        target=RefundStatus.FAILED,
    )
    def mark_failed(self) -> None: ...
