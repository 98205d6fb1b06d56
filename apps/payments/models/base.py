"""What the tables of payments have in common: amounts, rows that know what they held."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self

from django.db import models
from django.db.models import Q

ZERO = Decimal(0)

# Rows on which a merchant wrote something, by the column of the text: they alone are looked for
# when a customer is forgotten.
HAS_NOTES = {text: ~Q(**{text: ""}) | ~Q(metadata={}) for text in ("description", "reason")}


def amount_field(**options: Any) -> models.DecimalField:
    """An amount in major units, whole in the minor unit of the row's currency."""
    return models.DecimalField(max_digits=20, decimal_places=4, **options)


class Remembering(models.Model):
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
