"""The payment: one order of a merchant's to be paid, by a card, by a wallet, or by both.

Rows are written by `records` through guarded statements: a payment's `version` is repeated in
every write, so that nothing decided on a stale read is ever stored. The guards here (CHECKs, the
trigger of legal moves, the money-out budget) hold whatever the code does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import F, Q
from django_fsm import GET_STATE, FSMField, transition

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.base import HAS_NOTES, ZERO, Remembering, amount_field
from apps.payments.models.fx import rate_field
from apps.payments.states import HEADLINES, MOVES
from apps.payments.types import BANK_DEBIT, BANK_TRANSFER, CaptureMethod, Status


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


class Payment(Remembering):
    """One payment. Amounts are in `currency`, whole in its minor unit.

    What the merchant (or a topped-up wallet) is credited, and the fee out of it, are in
    `credit_currency`, which differs from `currency` only if the payment was made with a quote.
    `wallet_amount` of `amount` is paid by the wallet `wallet_id`, out of the hold `hold_id`; the
    rest by the card, which may be all or nothing of it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    status = FSMField(
        default=Status.CREATED, choices=[(s, s) for s in Status], protected=True, max_length=16
    )
    currency = models.CharField(max_length=3)
    amount = amount_field()
    capture_method = models.CharField(
        max_length=9, choices=[(m, m) for m in CaptureMethod], default=CaptureMethod.AUTOMATIC
    )
    method = models.CharField(max_length=20, default="card")
    source = models.CharField(max_length=255)
    payment_method_id = models.UUIDField(null=True)
    destination = models.CharField(max_length=40)
    destination_wallet_id = models.UUIDField(null=True)  # a top-up's
    wallet_id = models.UUIDField(null=True)
    wallet_amount = amount_field(default=ZERO)
    hold_id = models.UUIDField(null=True)
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
    expected_by = models.DateTimeField(null=True)  # a bank transfer's money
    captured_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)

    capture_requested_amount = amount_field(null=True)
    void_requested_at = models.DateTimeField(null=True)

    amount_authorized = amount_field(default=ZERO)
    amount_captured = amount_field(default=ZERO)
    wallet_captured = amount_field(default=ZERO)  # of it, out of the wallet's hold
    refund_reserved = amount_field(default=ZERO)
    card_refund_reserved = amount_field(default=ZERO)  # of it, back to the card
    amount_refunded = amount_field(default=ZERO)
    amount_disputed = amount_field(default=ZERO)
    amount_charged_back = amount_field(default=ZERO)
    amount_excess = amount_field(default=ZERO)

    # The two rates of a conversion: units of `credit_currency` for one of `currency`.
    credit_currency = models.CharField(max_length=3)
    quote_id = models.UUIDField(null=True)
    rate_mid = rate_field(null=True)
    rate = rate_field(null=True)
    amount_credited = amount_field(default=ZERO)
    fx_spread = amount_field(default=ZERO)
    credit_returned = amount_field(default=ZERO)  # by refunds that stand, cumulatively
    available_on = models.DateField(null=True)

    # The plan's numbers as agreed when the payment was made; a later plan does not reach it. The
    # plan of a card's country is known once the card is.
    fee_basis_points = models.IntegerField()
    fee_fixed = amount_field()
    fee_minimum = amount_field(default=ZERO)
    fee_cap = amount_field(null=True)
    fee_returns_percentage = models.BooleanField()
    fee_returns_fixed = models.BooleanField()
    fee = amount_field(default=ZERO)
    fee_returnable = amount_field(default=ZERO)
    fee_returned = amount_field(default=ZERO)

    version = models.IntegerField(default=1)
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payments_payment"
        permissions = [("send_back_payment", "Can note that a bank transfer was sent back")]
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
                    fee__lte=F("amount_credited"),
                    fee_returnable__lte=F("fee"),
                    fee_returned__gte=0,
                    fee_returned__lte=F("fee_returnable"),
                ),
                name="payments_payment_fee",
            ),
            models.CheckConstraint(
                condition=Q(
                    wallet_amount__gte=0,
                    wallet_amount__lte=F("amount"),
                    wallet_captured__gte=0,
                    wallet_captured__lte=F("wallet_amount"),
                    card_refund_reserved__gte=0,
                    card_refund_reserved__lte=F("refund_reserved"),
                    amount_captured__gte=F("wallet_captured") + F("card_refund_reserved"),
                ),
                name="payments_payment_tenders",
            ),
            models.CheckConstraint(
                condition=Q(wallet_id=None, hold_id=None, wallet_amount=0)
                | Q(wallet_id__isnull=False, hold_id__isnull=False, wallet_amount__gt=0),
                name="payments_payment_wallet",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_credited__gte=0,
                    fx_spread__gte=0,
                    credit_returned__gte=0,
                    credit_returned__lte=F("amount_credited"),
                ),
                name="payments_payment_credit",
            ),
            # A conversion has its quote and both rates; without one nothing is converted.
            models.CheckConstraint(
                condition=Q(
                    credit_currency=F("currency"),
                    quote_id=None,
                    rate_mid=None,
                    rate=None,
                    fx_spread=0,
                )
                | Q(
                    ~Q(credit_currency=F("currency")),
                    quote_id__isnull=False,
                    rate_mid__gte=F("rate"),
                    rate__gt=0,
                ),
                name="payments_payment_conversion",
            ),
        ]
        indexes = [
            models.Index(fields=["book_id", "-id"], name="payments_payment_newest"),
            models.Index(
                fields=["book_id", "destination_wallet_id"],
                name="payments_payment_top_up",
                condition=Q(destination_wallet_id__isnull=False),
            ),
            *(
                models.Index(
                    fields=["book_id", f"{by}_id"],
                    name=f"payments_payment_noted_{by[-6:]}",
                    condition=HAS_NOTES["description"],
                )
                for by in ("wallet", "payment_method")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {shown(self.money(self.amount))}"

    def money(self, amount: Decimal) -> Money:
        """One of this payment's amounts as `Money`."""
        return Money(amount, self.currency)

    def credit(self, amount: Decimal) -> Money:
        """An amount of what is credited, and of the fee, as `Money`."""
        return Money(amount, self.credit_currency)

    @property
    def card_amount(self) -> Decimal:
        """What the wallet does not pay."""
        return self.amount - self.wallet_amount

    @property
    def card_captured(self) -> Decimal:
        return self.amount_captured - self.wallet_captured

    @property
    def amount_ordered(self) -> Decimal | None:
        """What is to be captured; None while the merchant has not said."""
        if self.capture_method == CaptureMethod.AUTOMATIC:
            return self.amount_authorized
        return self.capture_requested_amount

    def wallet_part_of(self, ordered: Decimal) -> Decimal:
        """What of a capture the wallet pays: it pays first."""
        return min(ordered, self.wallet_amount)

    @property
    def is_held_before(self) -> bool:
        """Whether it takes over a hold that stood alone before."""
        return self.source.startswith("hold_")

    @property
    def is_done_at_once(self) -> bool:
        """Whether one commit is its whole way: nobody outside is asked, nobody decides later."""
        is_ordered = self.capture_requested_amount is not None
        return not self.card_amount and (
            is_ordered or self.capture_method == CaptureMethod.AUTOMATIC
        )

    @property
    def is_by_bank_transfer(self) -> bool:
        """Whether the customer pushes the money from their bank: no provider is asked for it."""
        return self.method == BANK_TRANSFER

    @property
    def is_awaited(self) -> bool:
        """Whether the customer has the reference, and the money has not come yet."""
        return self.is_by_bank_transfer and self.status == Status.AUTHORIZED

    @property
    def is_by_debit(self) -> bool:
        """Whether the money is taken from the customer's bank account, which takes days."""
        return self.method == BANK_DEBIT

    @property
    def is_with_the_bank(self) -> bool:
        """Whether the bank has the debit's order, and has not answered yet."""
        return self.is_by_debit and self.status == Status.AUTHORIZED

    @property
    def is_converted(self) -> bool:
        return self.credit_currency != self.currency

    @property
    def is_captured(self) -> bool:
        return self.amount_captured > 0

    @property
    def disputed_part(self) -> Decimal:
        """What disputes take, or have taken, of the money-out budget."""
        return self.amount_disputed + self.amount_charged_back - self.amount_excess

    @property
    def refundable(self) -> Decimal:
        """What the money-out budget still has."""
        return max(self.amount_captured - self.refund_reserved - self.disputed_part, ZERO)

    @property
    def card_refundable(self) -> Decimal:
        """What of the card's part neither refunds nor disputes have taken back."""
        return max(self.card_captured - self.card_refund_reserved - self.disputed_part, ZERO)

    @property
    def disputable(self) -> Decimal:
        """What a dispute finds: it is about the card's part, and of the budget."""
        return min(self.refundable, self.card_refundable)

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
