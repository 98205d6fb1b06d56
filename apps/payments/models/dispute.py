"""The dispute: a payer's objection to a payment, which the provider decides and we follow.

Nothing of it is our decision, so nothing that the provider says of it is refused: what exceeds the
payment's money-out budget, or what a topped-up wallet does not have any more, is carried by
`platform:excess` and has a case.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from apps.core import ids
from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.gateways.types import DisputeReason, DisputeStage
from apps.payments.models.base import ZERO, Remembering, amount_field
from apps.payments.models.payment import Payment
from apps.payments.types import DisputeStatus


class Dispute(Remembering):
    """One dispute, as the provider last told of it, and what it has moved so far.

    Of `amount`, `amount_open` is set aside and `amount_lost` is gone; their sum is taken from the
    payment's budget (`budget_part`) and, beyond it, from us (`excess`), all in `currency`.
    `bearer_amount` is what `budget_part` took from whom the payment was credited to, `shortfall`
    what a topped-up wallet did not have of it, both in the payment's `credit_currency`.
    Of `excess` and `shortfall` people have decided about the parts `…_charged`, which cost the
    merchant `merchant_charged` in its `credit_currency`, and `…_written_off`; we carry the rest.
    What the provider's statement has withdrawn and returned is told apart: its lines come when they
    come. Version 0 is a dispute of which nothing is known but its name.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="disputes", db_constraint=False
    )
    provider = models.CharField(max_length=30)
    provider_reference = models.CharField(max_length=255)
    status = models.CharField(
        max_length=16, choices=[(s, s) for s in DisputeStatus], default=DisputeStatus.REPORTED
    )
    stage = models.CharField(max_length=10, choices=[(s, s) for s in DisputeStage], blank=True)
    reason = models.CharField(max_length=24, choices=[(r, r) for r in DisputeReason], blank=True)
    provider_reason = models.CharField(max_length=100, blank=True)
    network_reason_code = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)
    amount = amount_field(default=ZERO)
    amount_open = amount_field(default=ZERO)
    amount_lost = amount_field(default=ZERO)
    budget_part = amount_field(default=ZERO)
    excess = amount_field(default=ZERO)
    bearer_amount = amount_field(default=ZERO)
    shortfall = amount_field(default=ZERO)
    excess_charged = amount_field(default=ZERO)
    excess_written_off = amount_field(default=ZERO)
    shortfall_charged = amount_field(default=ZERO)
    shortfall_written_off = amount_field(default=ZERO)
    merchant_charged = amount_field(default=ZERO)
    amount_withdrawn = amount_field(default=ZERO)
    amount_returned = amount_field(default=ZERO)
    provider_fee = amount_field(default=ZERO)

    due_by = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    evidence_ordered_at = models.DateTimeField(null=True)
    evidence_sent_at = models.DateTimeField(null=True)
    accept_ordered_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    reminded_hours = models.IntegerField(null=True)  # the last of the deadline's reminders
    version = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_dispute"
        permissions = [("answer_dispute", "Can answer disputes and give them up")]
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "provider", "provider_reference"], name="payments_dispute_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_open__gte=0,
                    amount_lost__gte=0,
                    amount__gte=F("amount_open") + F("amount_lost"),
                    budget_part__gte=0,
                    excess__gte=0,
                    bearer_amount__gte=0,
                    shortfall__gte=0,
                ),
                name="payments_dispute_amounts",
            ),
            # What is taken is taken from somebody.
            models.CheckConstraint(
                condition=Q(budget_part=F("amount_open") + F("amount_lost") - F("excess")),
                name="payments_dispute_taken",
            ),
            # Nobody decides about more than there is.
            models.CheckConstraint(
                condition=Q(
                    excess_charged__gte=0,
                    excess_written_off__gte=0,
                    excess__gte=F("excess_charged") + F("excess_written_off"),
                    shortfall_charged__gte=0,
                    shortfall_written_off__gte=0,
                    shortfall__gte=F("shortfall_charged") + F("shortfall_written_off"),
                    merchant_charged__gte=0,
                ),
                name="payments_dispute_covered",
            ),
            models.CheckConstraint(
                condition=Q(status=DisputeStatus.REPORTED, version=0)
                | Q(~Q(status=DisputeStatus.REPORTED), version__gt=0, opened_at__isnull=False),
                name="payments_dispute_known",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_dispute_newest"),
            models.Index(fields=["book_id", "payment"], name="payments_dispute_payment"),
            models.Index(
                fields=["due_by"], name="payments_dispute_open", condition=Q(closed_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this dispute's amounts as `Money`."""
        return Money(amount, self.currency)

    @property
    def is_known(self) -> bool:
        return self.status != DisputeStatus.REPORTED

    @property
    def is_open(self) -> bool:
        return self.status in (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW)

    @property
    def is_inquiry(self) -> bool:
        return self.stage == DisputeStage.INQUIRY

    @property
    def amount_taken(self) -> Decimal:
        return self.amount_open + self.amount_lost

    def carried_of(self, name: str) -> Money:
        """What we carry, undecided, of the `excess` or of the `shortfall`."""
        covered = getattr(self, f"{name}_charged") + getattr(self, f"{name}_written_off")
        money = self.money if name == "excess" else self.payment.credit
        return money(getattr(self, name) - covered)

    @property
    def carried(self) -> tuple[Money, ...]:
        """What we carry of it: an amount by currency, none of them nothing."""
        return _together(self.carried_of("excess"), self.carried_of("shortfall"))

    @property
    def written_off(self) -> tuple[Money, ...]:
        """What of it is our loss: an amount by currency, none of them nothing."""
        return _together(
            self.money(self.excess_written_off), self.payment.credit(self.shortfall_written_off)
        )


def _together(one: Money, other: Money) -> tuple[Money, ...]:
    both = (one + other,) if one.currency == other.currency else (one, other)
    return tuple(amount for amount in both if amount.amount)


class DisputeMove(Remembering):
    """What one look at a dispute, or one decision about its excess, moved: append-only, each with
    its posting; a dispute's amounts are the sums of its moves. Signed: positive is what went away
    from its bearer.

    `wallet_id` is the topped-up wallet that bears it; without one the merchant does.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, related_name="moves", db_constraint=False
    )
    amount_open = amount_field()
    amount_lost = amount_field()
    budget_part = amount_field()
    excess = amount_field()
    bearer_amount = amount_field()
    shortfall = amount_field()
    excess_charged = amount_field(default=ZERO)
    excess_written_off = amount_field(default=ZERO)
    shortfall_charged = amount_field(default=ZERO)
    shortfall_written_off = amount_field(default=ZERO)
    merchant_charged = amount_field(default=ZERO)
    wallet_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_dispute_move"
        constraints = [
            models.CheckConstraint(
                condition=Q(budget_part=F("amount_open") + F("amount_lost") - F("excess")),
                name="payments_dispute_move_taken",
            ),
        ]
        indexes = [models.Index(fields=["book_id", "dispute"], name="payments_dispute_moves")]

    def __str__(self) -> str:
        return f"{self.amount_open} open, {self.amount_lost} lost"

    @property
    def is_decision(self) -> bool:
        """Whether a person decided it, and the dispute itself has moved nothing."""
        return not any(getattr(self, name) for name in MOVED[:6])


class DisputeLine(Remembering):
    """One line of a provider's statement about a dispute, booked when it appears; append-only.

    That the provider has paid its net out is a `SettlementLine`, later.
    `merchant_fee` is what the fee costs the merchant in the payment's `credit_currency`, where the
    line is in the currency that was paid and that is another; without it, what the line says.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, related_name="lines", db_constraint=False
    )
    provider = models.CharField(max_length=30)
    line_reference = models.CharField(max_length=255)
    kind = models.CharField(max_length=30)
    currency = models.CharField(max_length=3)
    gross = amount_field()
    provider_fee = amount_field()
    merchant_fee = amount_field(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_dispute_line"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "provider", "line_reference"], name="payments_dispute_line_once"
            ),
        ]
        indexes = [models.Index(fields=["book_id", "dispute"], name="payments_dispute_lines")]

    def __str__(self) -> str:
        return f"{self.kind} {shown(Money(self.gross, self.currency))}"

    @property
    def charged(self) -> Money:
        """What the fee costs the merchant, in the currency that it is charged in."""
        if self.merchant_fee is None:
            return Money(self.provider_fee, self.currency)
        return self.dispute.payment.credit(self.merchant_fee)


class DisputeEvidence(models.Model):
    """What the merchant answers to a dispute: texts by name, encrypted together.

    They may be about the customer: the row is deleted when they are erased.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, related_name="evidence", db_constraint=False
    )
    texts_encrypted = models.TextField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_dispute_evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "dispute"], name="payments_dispute_evidence_once"
            ),
            models.CheckConstraint(
                condition=Q(texts_encrypted__startswith="v1."),
                name="payments_dispute_evidence_encrypted",
            ),
        ]

    def __str__(self) -> str:
        return str(self.dispute_id)


class ExcessCase(Remembering):
    """What went out beyond the budget because of a dispute: somebody has to look at it.

    How much it is the dispute says; it closes when all of it is charged or written off, and by
    itself when the dispute gives it back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, related_name="cases", db_constraint=False
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_excess_case"
        permissions = [("resolve_excesscase", "Can charge excess to merchants and write it off")]
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "dispute"],
                condition=Q(closed_at=None),
                name="payments_excess_case_one_open",
            ),
        ]

    def __str__(self) -> str:
        return ids.encode("case", self.id)


# What a move changes of its dispute.
MOVED = (
    *("amount_open", "amount_lost", "budget_part", "excess", "bearer_amount", "shortfall"),
    *("excess_charged", "excess_written_off", "shortfall_charged", "shortfall_written_off"),
    "merchant_charged",
)
