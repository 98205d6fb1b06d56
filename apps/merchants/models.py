"""Merchants, the keys they ask with, and what they pay us."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.merchants.types import Funding, Interval


class Merchant(models.Model):
    """A business whose payments we take. Its id is the id of its book."""

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        SUSPENDED = "SUSPENDED"
        CLOSED = "CLOSED"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    country = models.CharField(max_length=2)
    default_currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "merchants_merchant"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["ACTIVE", "SUSPENDED", "CLOSED"]),
                name="merchants_merchant_status",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """One secret key, of which only a keyed hash is stored.

    The prefix is the public part of the key and unique among all merchants, so it is the row's
    own key (and leads to the book); it is what the audit trail and the console call the key by.
    """

    class Mode(models.TextChoices):
        TEST = "test"
        LIVE = "live"

    prefix = models.CharField(primary_key=True, max_length=24, editable=False)
    book = models.ForeignKey(Merchant, on_delete=models.PROTECT)
    digest = models.BinaryField(max_length=32)
    name = models.CharField(max_length=100, blank=True)
    mode = models.CharField(max_length=4, choices=Mode)
    scopes = ArrayField(models.CharField(max_length=40))
    # Null: the setting PAYSYS_RATE_LIMIT_PER_SECOND.
    requests_per_second = models.PositiveIntegerField(null=True)
    last_used_on = models.DateField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "merchants_api_key"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(requests_per_second__gte=1), name="merchants_api_key_rate"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class FeePlan(models.Model):
    """What a merchant pays for a method, a currency and a card's country and funding from a moment
    on.

    Never edited: a newer plan supersedes it (triggers of 0002_guards). `ANY` stands for every
    method, currency, country or funding that has no plan of its own. The fee is at least
    `minimum_amount`, at most `cap_amount`, and never more than the payment.
    """

    ANY = "*"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book = models.ForeignKey(Merchant, on_delete=models.PROTECT, db_index=False)
    method = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2, default=ANY)
    funding = models.CharField(max_length=7, default=ANY)
    basis_points = models.PositiveIntegerField()
    fixed_amount = models.DecimalField(max_digits=20, decimal_places=4)
    minimum_amount = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    cap_amount = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    returns_percentage = models.BooleanField()
    returns_fixed = models.BooleanField()
    valid_from = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "merchants_fee_plan"
        constraints = [
            models.UniqueConstraint(
                fields=["book", "method", "currency", "country", "funding", "valid_from"],
                name="merchants_fee_plan_once",
            ),
            models.CheckConstraint(
                condition=models.Q(funding__in=["*", *(each.value for each in Funding)]),
                name="merchants_fee_plan_funding",
            ),
            models.CheckConstraint(
                condition=models.Q(basis_points__lte=10_000), name="merchants_fee_plan_fraction"
            ),
            models.CheckConstraint(
                condition=models.Q(fixed_amount__gte=0), name="merchants_fee_plan_fixed"
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_amount__gte=0)
                & (
                    models.Q(cap_amount=None) | models.Q(cap_amount__gte=models.F("minimum_amount"))
                ),
                name="merchants_fee_plan_bounds",
            ),
            # An amount without a currency would mean 30 dollars here and 30 yen there.
            models.CheckConstraint(
                condition=~models.Q(currency="*")
                | models.Q(fixed_amount=0, minimum_amount=0, cap_amount=None),
                name="merchants_fee_plan_fixed_has_currency",
            ),
        ]

    def __str__(self) -> str:
        fixed = f" + {shown(Money(self.fixed_amount, self.currency))}" if self.fixed_amount else ""
        return f"{Decimal(self.basis_points) / 100:.2f} %{fixed}"


class PayoutTerms(models.Model):
    """When a merchant's money becomes payable, what is kept back, and whether it leaves by itself.

    `minimums` holds, by currency and in minor units, the least that a daily payout pays; a
    currency that is not in it has none. A merchant without terms has the settings' (`selectors`).
    """

    book = models.OneToOneField(Merchant, on_delete=models.PROTECT, primary_key=True)
    interval = models.CharField(
        max_length=6,
        choices=[(Interval.DAILY, "Daily"), (Interval.MANUAL, "Manual")],
        default=Interval.MANUAL,
    )
    delay_days = models.PositiveSmallIntegerField()
    reserve_basis_points = models.PositiveIntegerField(default=0)
    reserve_days = models.PositiveSmallIntegerField(default=0)
    minimums = models.JSONField(default=dict)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "merchants_payout_terms"
        verbose_name_plural = "payout terms"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    reserve_basis_points__lte=10_000, interval__in=["daily", "manual"]
                ),
                name="merchants_payout_terms_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.interval}, after {self.delay_days} days"


BANK_ACCOUNT_TABLE = "merchants_bank_account"


class BankAccount(models.Model):
    """Where money goes: a merchant's own account, or one of its customers'.

    Holder and number are encrypted, bound to this row; `last4` is what people are shown. An account
    that replaces another is usable only from `usable_from` on, so that whoever got in and changed
    it has not got the money yet. `provider_reference` is what the provider calls it, once told.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book = models.ForeignKey(Merchant, on_delete=models.PROTECT, db_index=False)
    customer_id = models.UUIDField(null=True)
    holder_encrypted = models.TextField(null=True)
    number_encrypted = models.TextField(null=True)
    routing_number = models.CharField(max_length=34, blank=True)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    last4 = models.CharField(max_length=4, blank=True)
    provider_reference = models.CharField(max_length=255, blank=True)
    usable_from = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = BANK_ACCOUNT_TABLE
        indexes = [models.Index(fields=["book", "id"], name="merchants_bank_account_list")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(removed_at__isnull=False)
                | models.Q(holder_encrypted__isnull=False, number_encrypted__isnull=False),
                name="merchants_bank_account_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} …{self.last4}"
