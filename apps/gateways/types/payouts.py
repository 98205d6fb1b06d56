"""Money on its way to a bank: what is said to a provider, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from apps.gateways.types.operations import BaseRequest, Operation


@dataclass(frozen=True, kw_only=True)
class AddBankRequest(BaseRequest):
    """Tell the provider of a bank account of ours, by its id: the number is read when it is sent.

    So neither the intent nor anything that is kept of the call holds a number.
    """

    operation: ClassVar[Operation] = Operation.ADD_BANK

    bank_account_id: UUID
    bank_account_public_id: str


@dataclass(frozen=True, kw_only=True)
class PayOutRequest(BaseRequest):
    """Send money to `destination`, which is what the provider calls the bank account.

    `ordered_at` (ISO 8601) is when the payout was made: no look-up has to go back further.
    """

    operation: ClassVar[Operation] = Operation.PAY_OUT

    destination: str
    amount_minor: int
    currency: str
    payout_public_id: str
    ordered_at: str


@dataclass(frozen=True, kw_only=True)
class InspectPayoutRequest(BaseRequest):
    """Ask how a payout stands that is on its way, or of which there is news."""

    operation: ClassVar[Operation] = Operation.INSPECT_PAYOUT

    provider_reference: str


class PayoutStatus(StrEnum):
    PENDING = "pending"  # accepted, not yet with the bank
    IN_TRANSIT = "in_transit"
    PAID = "paid"  # may still come back, days later
    FAILED = "failed"  # or came back, or was canceled: the money is with the provider again


@dataclass(frozen=True, kw_only=True)
class ProviderBank:
    """A bank account as the provider knows it: by its own id."""

    provider_reference: str

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> ProviderBank:
        return cls(**result)


@dataclass(frozen=True, kw_only=True)
class ProviderPayout:
    """A payout as the provider sees it now. `expected_on` is a date (ISO 8601), or empty."""

    provider_reference: str
    status: PayoutStatus
    amount_minor: int
    currency: str
    op_key: str = ""
    expected_on: str = ""
    provider_code: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value} | {
            "status": str(self.status)
        }

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> ProviderPayout:
        return cls(**{**result, "status": PayoutStatus(result["status"])})
