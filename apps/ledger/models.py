"""The tables of the books. Entries are the truth; every balance is computed from them.

Nothing is saved here through the ORM but a book's settings and the steps of a day's close:
`ledger_post` and its sisters (migrations 0002 and 0003) write accounts, transactions and entries,
and triggers refuse every later change. `services.py` is who calls them.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from apps.core.ids import new_id
from apps.ledger.types import AccountType, EntryType

SIDES = [(side.value, side.name) for side in EntryType]
CODE_LENGTH = 120
REFERENCE_LENGTH = 200
KIND_LENGTH = 40


def _amount(*, null: bool = False) -> models.DecimalField:
    return models.DecimalField(max_digits=20, decimal_places=4, null=null)


class LedgerAccount(models.Model):
    """One account of one book and currency, as the chart describes its code.

    `balance` is kept on row accounts alone, on the account's normal side; `floor` is the lowest it
    may be. The bytewise collation makes the order of codes, in which rows are locked, the same here
    and in Python.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    code = models.CharField(max_length=CODE_LENGTH, db_collation="C")
    currency = models.CharField(max_length=3, db_collation="C")
    account_type = models.CharField(max_length=9, choices=[(t.value, t.value) for t in AccountType])
    normal_side = models.SmallIntegerField(choices=SIDES)
    floor = _amount(null=True)
    balance = _amount(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_account"
        verbose_name = "account"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "code", "currency"], name="ledger_account_code"
            ),
            models.CheckConstraint(
                condition=Q(floor__isnull=True) | Q(balance__gte=F("floor")),
                name="ledger_account_floor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}"


class LedgerTransaction(models.Model):
    """A balanced, immutable set of entries; `fingerprint` tells a repeat from other content."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    reference = models.CharField(max_length=REFERENCE_LENGTH, db_collation="C")
    kind = models.CharField(max_length=KIND_LENGTH)
    occurred_at = models.DateTimeField()
    booked_on = models.DateField()
    created_at = models.DateTimeField()
    reverses = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    fingerprint = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_transaction"
        verbose_name = "transaction"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "reference"], name="ledger_transaction_reference"
            ),
            models.UniqueConstraint(
                fields=["book_id", "reverses"],
                condition=Q(reverses__isnull=False),
                name="ledger_transaction_one_reversal",
            ),
        ]
        # The days of a book: what a close and a trial balance read.
        indexes = [models.Index(fields=["book_id", "booked_on"], name="ledger_transaction_day")]

    def __str__(self) -> str:
        return self.reference


class LedgerEntry(models.Model):
    """One line of a transaction.

    The foreign key to the transaction is made by migration 0002, because Django's would be
    deferred. There is none to the account: a key to a hot row would be locked by every payment.
    """

    pk = models.CompositePrimaryKey("transaction_id", "line")
    transaction = models.ForeignKey(
        LedgerTransaction,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="entries",
    )
    line = models.SmallIntegerField()
    book_id = models.UUIDField()
    account = models.ForeignKey(
        LedgerAccount,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="entries",
    )
    entry_type = models.SmallIntegerField(choices=SIDES)
    amount = _amount()
    currency = models.CharField(max_length=3, db_collation="C")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_entry"
        verbose_name = "entry"
        verbose_name_plural = "entries"
        constraints = [
            # One constraint for both: each is read from the catalog again at every insert.
            models.CheckConstraint(
                condition=Q(amount__gt=0, entry_type__in=[1, -1]),
                name="ledger_entry_positive_on_a_side",
            ),
        ]
        # A balance is one walk over the end of this index, without a look at the table.
        indexes = [
            models.Index(
                fields=["account", "created_at"],
                include=["entry_type", "amount"],
                name="ledger_entry_account",
            )
        ]


class LedgerCheckpoint(models.Model):
    """An account's balance, on its normal side, with every entry recorded up to `upto` in it."""

    pk = models.CompositePrimaryKey("account_id", "upto")
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    upto = models.DateTimeField()
    book_id = models.UUIDField()
    balance = _amount()

    class Meta:
        db_table = "ledger_checkpoint"
        verbose_name = "checkpoint"


class LedgerHorizon(models.Model):
    """A moment and a transaction id asked for after it.

    Once every transaction before `xid` has ended, nothing recorded up to `taken_at` can appear any
    more (docs/decisions/0012-checkpoints-behind-a-horizon.md).
    """

    xid = models.BigIntegerField(primary_key=True)
    taken_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_horizon"
        verbose_name = "horizon"


class LedgerBook(models.Model):
    """A book's settings: where its days begin, and the first of them that still takes postings."""

    id = models.UUIDField(primary_key=True, editable=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    first_open_on = models.DateField(null=True)

    class Meta:
        db_table = "ledger_book"
        verbose_name = "book"

    def __str__(self) -> str:
        return str(self.id)


class LedgerDay(models.Model):
    """The close of a book's accounting day, with all days before it that were not closed.

    CLOSING: postings take the next day from now on, but one that began earlier may still land here.
    CLOSED: none of those is alive, and the day's closing balances are written down.
    """

    class Status(models.TextChoices):
        CLOSING = "CLOSING"
        CLOSED = "CLOSED"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    day = models.DateField()
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.CLOSING)
    fence = models.BigIntegerField(null=True)
    closing_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_day"
        verbose_name = "accounting day"
        constraints = [
            models.UniqueConstraint(fields=["book_id", "day"], name="ledger_day_once"),
            models.UniqueConstraint(
                fields=["book_id"], condition=Q(status="CLOSING"), name="ledger_day_one_closing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.status}"


class LedgerClosing(models.Model):
    """An account's balance, on its normal side, at the end of a closed accounting day.

    Written for accounts that moved since the close before; the newest one up to a day holds.
    """

    pk = models.CompositePrimaryKey("account_id", "day")
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    day = models.DateField()
    book_id = models.UUIDField()
    balance = _amount()

    class Meta:
        db_table = "ledger_closing"
        verbose_name = "closing balance"
