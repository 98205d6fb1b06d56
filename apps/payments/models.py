"""Payments and refunds.

Rows are written by `records` through guarded statements: a payment's `version` is repeated in
every write, so that nothing decided on a stale read is ever stored. The guards here (CHECKs, the
trigger of legal moves, the money-out budget) hold whatever the code does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django_fsm import GET_STATE, FSMField, transition

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.states import HEADLINES, MOVES
from apps.payments.types import CaptureMethod, RefundStatus, Status

_ZERO = Decimal(0)


def _amount(**options: Any) -> models.DecimalField:
    return models.DecimalField(max_digits=20, decimal_places=4, **options)


def _moves(trigger: str) -> Any:
    """django-fsm's transition for one line of the table in `states`."""
    sources, target = MOVES[trigger]
    return transition(field="status", source=list(sources), target=target)


def headline_of(
    *,
    captured: Decimal,
    refunded: Decimal,
    disputed: Decimal,
    charged_back: Decimal,
    is_settled: bool,
) -> Status:
    """What a captured payment is called; the twin of the CHECK `payments_payment_headline`."""
    if disputed > 0:
        return Status.DISPUTED
    if charged_back > 0 and refunded + charged_back >= captured:
        return Status.CHARGED_BACK
    if refunded >= captured:
        return Status.REFUNDED
    return Status.SETTLED if is_settled else Status.CAPTURED


class _Remembering(models.Model):
    """Knows what its row held when it was read or last written, so that only changes are sent.

    Values are replaced, never changed in place.
    """

    class Meta:
        abstract = True

    kept: dict[str, Any] = {}

    @classmethod
    def from_db(cls, *facts: Any, **options: Any) -> Self:
        row = super().from_db(*facts, **options)
        row.remember()
        return row

    def remember(self) -> None:
        """Note that the row now holds what this object says."""
        self.kept = {
            k: v for k, v in self.__dict__.items() if not k.startswith("_") and k != "kept"
        }


class Payment(_Remembering):
    """One payment. Amounts are in `currency`, whole in its minor unit."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    status = FSMField(
        default=Status.CREATED, choices=[(s, s) for s in Status], protected=True, max_length=16
    )
    currency = models.CharField(max_length=3)
    amount = _amount()
    capture_method = models.CharField(
        max_length=9, choices=[(m, m) for m in CaptureMethod], default=CaptureMethod.AUTOMATIC
    )
    method = models.CharField(max_length=20, default="card")
    source = models.CharField(max_length=255)
    payment_method_id = models.UUIDField(null=True)
    destination = models.CharField(max_length=40)
    reference = models.CharField(max_length=100, null=True)
    description = models.CharField(max_length=500, blank=True)
    return_url = models.CharField(max_length=1000, blank=True)
    metadata = models.JSONField(default=dict)

    provider = models.CharField(max_length=30)
    provider_token = models.CharField(max_length=255)
    provider_reference = models.CharField(max_length=255, blank=True)
    charge_reference = models.CharField(max_length=255, blank=True)
    route = models.JSONField(default=dict)
    card = models.JSONField(null=True)
    sca = models.CharField(max_length=10, blank=True)
    next_action = models.JSONField(null=True)
    action_expires_at = models.DateTimeField(null=True)
    authorized_at = models.DateTimeField(null=True)
    capture_before = models.DateTimeField(null=True)
    captured_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)

    capture_requested_amount = _amount(null=True)
    void_requested_at = models.DateTimeField(null=True)

    amount_authorized = _amount(default=_ZERO)
    amount_captured = _amount(default=_ZERO)
    refund_reserved = _amount(default=_ZERO)
    amount_refunded = _amount(default=_ZERO)
    amount_disputed = _amount(default=_ZERO)
    amount_charged_back = _amount(default=_ZERO)
    amount_excess = _amount(default=_ZERO)

    # The plan's numbers as agreed when the payment was made; a later plan does not reach it.
    fee_basis_points = models.IntegerField()
    fee_fixed = _amount()
    fee_returns_percentage = models.BooleanField()
    fee_returns_fixed = models.BooleanField()
    fee = _amount(default=_ZERO)
    fee_returnable = _amount(default=_ZERO)
    fee_returned = _amount(default=_ZERO)

    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_payment"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "reference"],
                condition=Q(reference__isnull=False),
                name="payments_payment_reference",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_payment_positive"),
            models.CheckConstraint(
                condition=Q(amount_authorized__gte=0, amount_authorized__lte=F("amount")),
                name="payments_payment_authorized",
            ),
            models.CheckConstraint(
                condition=Q(amount_captured__gte=0, amount_captured__lte=F("amount_authorized")),
                name="payments_payment_captured",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_captured__gte=F("refund_reserved")
                    + F("amount_disputed")
                    + F("amount_charged_back")
                    - F("amount_excess")
                ),
                name="payments_payment_money_out_budget",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_refunded__gte=0,
                    amount_refunded__lte=F("refund_reserved"),
                    amount_disputed__gte=0,
                    amount_charged_back__gte=0,
                    amount_excess__gte=0,
                ),
                name="payments_payment_counters",
            ),
            models.CheckConstraint(
                condition=Q(
                    fee__gte=0,
                    fee__lte=F("amount_captured"),
                    fee_returnable__lte=F("fee"),
                    fee_returned__gte=0,
                    fee_returned__lte=F("fee_returnable"),
                ),
                name="payments_payment_fee",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_payment_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this payment's amounts as `Money`."""
        return Money(amount, self.currency)

    @property
    def is_captured(self) -> bool:
        return self.amount_captured > 0

    @property
    def refundable(self) -> Decimal:
        """What the money-out budget still has."""
        out = self.refund_reserved + self.amount_disputed + self.amount_charged_back
        return max(self.amount_captured + self.amount_excess - out, _ZERO)

    @_moves("validate")
    def mark_validated(self) -> None: ...

    @_moves("request_action")
    def mark_requires_action(self) -> None: ...

    @_moves("complete_action")
    def mark_action_completed(self) -> None: ...

    @_moves("flag_for_review")
    def mark_in_review(self) -> None: ...

    @_moves("approve_review")
    def mark_review_approved(self) -> None: ...

    @_moves("authorize")
    def mark_authorized(self) -> None: ...

    @_moves("risk_reject")
    def mark_rejected(self) -> None: ...

    @_moves("fail")
    def mark_failed(self) -> None: ...

    @_moves("void")
    def mark_voided(self) -> None: ...

    @_moves("capture")
    def mark_captured(self) -> None: ...

    @transition(
        field="status",
        source=list(HEADLINES),
        target=GET_STATE(lambda self: self.headline, states=list(HEADLINES)),
    )
    def mark_headline(self) -> None:
        """Let the status say what the facts are."""

    @property
    def headline(self) -> Status:
        return headline_of(
            captured=self.amount_captured,
            refunded=self.amount_refunded,
            disputed=self.amount_disputed,
            charged_back=self.amount_charged_back,
            is_settled=self.settled_at is not None,
        )


class Refund(_Remembering):
    """Money on its way back: reserved when asked for, confirmed when the provider says so."""

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
    amount = _amount()
    fee_returned = _amount(default=_ZERO)
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
                condition=Q(fee_returned__gte=0, fee_returned__lte=F("amount")),
                name="payments_refund_fee",
            ),
        ]
        indexes = [models.Index(fields=["book_id", "-id"], name="payments_refund_newest")]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this refund's amounts as `Money`."""
        return Money(amount, self.currency)

    @transition(field="status", source=RefundStatus.PENDING, target=RefundStatus.SUCCEEDED)
    def mark_succeeded(self) -> None: ...

    @transition(
        field="status",
        source=[RefundStatus.PENDING, RefundStatus.SUCCEEDED],
        target=RefundStatus.FAILED,
    )
    def mark_failed(self) -> None: ...


class SettlementLine(_Remembering):
    """One line of a provider's statement that has been booked; append-only, once per line."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    line_reference = models.CharField(max_length=255)
    payout_reference = models.CharField(max_length=255)
    payment_id = models.UUIDField()
    kind = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    gross = _amount()
    provider_fee = _amount()
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
