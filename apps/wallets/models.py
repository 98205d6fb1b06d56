"""Customers and what they pay with. The only tables of the payment path that know a person."""

from django.db import models
from django.db.models.functions import Now

from apps.core import crypto
from apps.core.ids import encode, new_id
from apps.wallets.types import MethodKind

CUSTOMER_TABLE = "wallets_customer"


class Customer(models.Model):
    """A merchant's customer. Name and e-mail address are encrypted, bound to this row."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    name_encrypted = models.TextField(null=True)
    email_encrypted = models.TextField(null=True)
    metadata = models.JSONField()
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

    What it looks like (`brand` … `fingerprint`) is null until a first charge has shown it.
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
