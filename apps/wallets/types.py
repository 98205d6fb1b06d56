"""What a customer pays with and keeps with us, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypedDict
from uuid import UUID

from apps.core import ids
from apps.core.money import Money


class CustomerChanges(TypedDict, total=False):
    """What of a customer is to be changed; what is not there stays."""

    name: str | None
    email: str | None
    metadata: Mapping[str, str]
    default_payment_method_id: UUID | None


class MethodKind(StrEnum):
    """What a payment method is; also the prefix of its public id."""

    CARD = "card"
    BANK = "bank"


class WalletStatus(StrEnum):
    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"  # nothing goes out, money still comes in
    CLOSED = "CLOSED"


class HoldStatus(StrEnum):
    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class Part(StrEnum):
    """The two accounts of a wallet."""

    AVAILABLE = "available"
    HELD = "held"


class WalletBalance(NamedTuple):
    """What a wallet holds: free to be spent, and set aside by open holds."""

    available: Money
    held: Money


METHOD_PREFIXES = tuple(kind.value for kind in MethodKind)


@dataclass(frozen=True, slots=True)
class StoredMethod:
    """A saved payment method: provider tokens by provider, and what is known of the card.

    `last4` and its neighbors are None until a first charge has shown them.
    """

    id: UUID
    book_id: UUID
    kind: MethodKind
    customer_id: UUID | None
    tokens: Mapping[str, str]
    brand: str | None
    last4: str | None
    country: str | None

    @property
    def public_id(self) -> str:
        """`card_…` or `bank_…`."""
        return ids.encode(self.kind.value, self.id)
