"""Rates of exchange, and the quotes that promise one for a while."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

from apps.core.ids import new_id
from apps.core.money import Money, shown
from apps.payments.models.base import Remembering, amount_field


def rate_field(**options: Any) -> models.DecimalField:
    """A rate of exchange. Twelve decimals: enough for a dong in Kuwaiti dinars."""
    return models.DecimalField(max_digits=24, decimal_places=12, **options)


class ExchangeRate(models.Model):
    """A day's rate that we set ourselves: so many units of `currency` for one euro.

    It goes before the European Central Bank's of the same or an earlier day.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    currency = models.CharField(max_length=3)
    day = models.DateField()
    per_euro = rate_field()
    set_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_exchange_rate"
        constraints = [
            models.CheckConstraint(condition=Q(per_euro__gt=0), name="payments_rate_positive"),
        ]
        indexes = [
            models.Index(fields=["currency", "-day", "-id"], name="payments_rate_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.per_euro.normalize():f} {self.currency}"


class Quote(Remembering):
    """A promise to convert `amount` of `from_currency` at `rate`, once, until `expires_at`.

    `rate_mid` is the market's, `rate` ours: the mid less `spread_basis_points`. Both are units of
    `to_currency` for one of `from_currency`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    from_currency = models.CharField(max_length=3)
    to_currency = models.CharField(max_length=3)
    amount = amount_field()
    to_amount = amount_field()
    rate_mid = rate_field()
    rate = rate_field()
    spread_basis_points = models.IntegerField()
    rates_of = models.DateField()  # the older day of the two rates behind it
    expires_at = models.DateTimeField()
    payment_id = models.UUIDField(null=True)  # that used it
    created_by = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "payments_quote"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    amount__gt=0,
                    to_amount__gt=0,
                    rate__gt=0,
                    rate_mid__gte=F("rate"),
                    spread_basis_points__gte=0,
                    spread_basis_points__lte=10_000,
                )
                & ~Q(from_currency=F("to_currency")),
                name="payments_quote_sound",
            ),
        ]

    def __str__(self) -> str:
        return f"{shown(Money(self.amount, self.from_currency))} at {self.rate.normalize():f}"
