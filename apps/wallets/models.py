"""Customers, what they pay with, and what they keep with us.

`Customer` is the only table of the payment path that knows a person.
"""

from django.db import models
from django.db.models.functions import Now

from apps.core import crypto
from apps.core.ids import encode, new_id
from apps.core.money import Money, shown
from apps.wallets.types import HoldStatus, MethodKind, WalletStatus

CUSTOMER_TABLE = "wallets_customer"


class Customer(models.Model):
    """A merchant's customer. Name and e-mail address are encrypted, bound to this row."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    name_encrypted = models.TextField(null=True)
    email_encrypted = models.TextField(null=True)
    metadata = models.JSONField()
    default_payment_method_id = models.UUIDField(null=True)
    erased_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = CUSTOMER_TABLE
        # A merchant's customers, newest first.
        indexes = [models.Index(fields=["book_id", "id"], name="wallets_customer_list")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(erased_at=None)
                | models.Q(name_encrypted=None, email_encrypted=None, metadata={}),
                name="wallets_customer_erased_is_empty",
            ),
        ]

    def __str__(self) -> str:
        return encode("cus", self.id)

    @property
    def name(self) -> str | None:
        return self._decrypted("name_encrypted")

    @property
    def email(self) -> str | None:
        return self._decrypted("email_encrypted")

    def _decrypted(self, column: str) -> str | None:
        token = getattr(self, column)
        if token is None:
            return None
        return crypto.decrypt(
            token, table=CUSTOMER_TABLE, column=column, row_id=self.id, book_id=self.book_id
        )


class PaymentMethod(models.Model):
    """A card or bank account that a provider keeps for us.

    What it looks like (`brand` … `fingerprint`) is null until a first charge has shown it. A
    detached one has no token any more, and is still the customer's: their erasure has to find it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True)
    kind = models.CharField(max_length=4)
    brand = models.CharField(max_length=40, null=True)
    last4 = models.CharField(max_length=4, null=True)
    exp_month = models.PositiveSmallIntegerField(null=True)
    exp_year = models.PositiveSmallIntegerField(null=True)
    funding = models.CharField(max_length=20, null=True)
    country = models.CharField(max_length=2, null=True)
    fingerprint = models.CharField(max_length=100, null=True)
    detached_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "wallets_payment_method"
        indexes = [models.Index(fields=["book_id", "id"], name="wallets_payment_method_list")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=[kind.value for kind in MethodKind]),
                name="wallets_payment_method_kind",
            ),
        ]

    def __str__(self) -> str:
        return encode(self.kind, self.id)


class PaymentMethodToken(models.Model):
    """What a provider calls a method. One method may be known to several providers.

    `customer_id` repeats the method's, for the rule that a customer has a token once; a method
    without a customer (null) may be stored any number of times.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    payment_method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, related_name="tokens"
    )
    customer_id = models.UUIDField(null=True)
    provider = models.CharField(max_length=40)
    token = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "wallets_payment_method_token"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "customer_id", "provider", "token"],
                name="wallets_payment_method_token_once",
            ),
            models.UniqueConstraint(
                fields=["book_id", "payment_method", "provider"],
                name="wallets_payment_method_token_per_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} of {self.payment_method_id}"


class Wallet(models.Model):
    """What a customer keeps with us in one currency: the accounts `wallet:{id}:available`, `:held`.

    FROZEN refuses whatever takes money out and still takes money in; CLOSED is empty and ended.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="wallets")
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=6, choices=[(s.value, s.value) for s in WalletStatus], default="ACTIVE"
    )
    metadata = models.JSONField(default=dict)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "wallets_wallet"
        indexes = [models.Index(fields=["book_id", "id"], name="wallets_wallet_list")]
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "customer", "currency"], name="wallets_wallet_one_per_currency"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["ACTIVE", "FROZEN"], closed_at=None)
                | models.Q(status="CLOSED", closed_at__isnull=False),
                name="wallets_wallet_closed",
            ),
        ]

    def __str__(self) -> str:
        return encode("wallet", self.id)


class Hold(models.Model):
    """Money of a wallet set aside: captured in full or in part, once, or released.

    One of a payment (`payment_id`) is ended by the payment's run alone; a stand-alone one expires
    at `expires_at`. `captured` is what of `amount` was taken; the rest went back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="holds", db_constraint=False
    )
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    captured = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    status = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in HoldStatus], default="OPEN"
    )
    payment_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField(null=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "wallets_hold"
        indexes = [
            models.Index(fields=["book_id", "wallet", "-id"], name="wallets_hold_list"),
            models.Index(
                fields=["expires_at"],
                name="wallets_hold_due",
                condition=models.Q(status="OPEN", expires_at__isnull=False),
            ),
            models.Index(
                fields=["wallet"], name="wallets_hold_open", condition=models.Q(status="OPEN")
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="wallets_hold_positive"),
            models.CheckConstraint(
                condition=models.Q(status="OPEN", captured=0, ended_at=None)
                | models.Q(status__in=["RELEASED", "EXPIRED"], captured=0, ended_at__isnull=False)
                | models.Q(
                    status="CAPTURED",
                    captured__gt=0,
                    captured__lte=models.F("amount"),
                    ended_at__isnull=False,
                ),
                name="wallets_hold_end",
            ),
            # What a run owns never expires by itself; what nobody owns always does.
            models.CheckConstraint(
                condition=models.Q(payment_id=None, expires_at__isnull=False)
                | models.Q(payment_id__isnull=False, expires_at=None),
                name="wallets_hold_owner_or_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{shown(Money(self.amount, self.currency))}, {self.status.lower()}"
