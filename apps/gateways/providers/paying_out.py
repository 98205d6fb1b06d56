"""The part of every provider that sends money to a bank, and how the truth about it is read."""

from __future__ import annotations

from collections.abc import Iterator

from apps.gateways.types import (
    AddBankRequest,
    Declined,
    InspectPayoutRequest,
    PayOutRequest,
    PayoutStatus,
    ProviderBank,
    ProviderPayout,
)
from apps.merchants.types import BankDetails

ToBank = AddBankRequest | PayOutRequest | InspectPayoutRequest


class PaysOut:
    """What a provider implements whose `capabilities` name it; raises as `Provider` says."""

    def add_bank(
        self, request: AddBankRequest, details: BankDetails, *, op_key: str
    ) -> ProviderBank:
        """`details` is for the wire alone: nothing of it may be logged or repeated in an error."""
        raise NotImplementedError

    def pay_out(self, request: PayOutRequest, *, op_key: str) -> ProviderPayout:
        raise NotImplementedError

    def find_payout(self, reference: str) -> ProviderPayout:
        """The payout as it is now."""
        raise NotImplementedError

    def find_payouts(self, request: PayOutRequest) -> Iterator[ProviderPayout]:
        """Every payout to the destination of this one, made since it was ordered."""
        raise NotImplementedError

    # --- the same for every provider --------------------------------------------------------------

    def send_to_bank(
        self, request: ToBank, *, op_key: str, details: BankDetails | None
    ) -> ProviderBank | ProviderPayout:
        match request:
            case AddBankRequest():
                assert details is not None
                return self.add_bank(request, details, op_key=op_key)
            case PayOutRequest():
                return judge_payout(self.pay_out(request, op_key=op_key))
            case InspectPayoutRequest():
                return self.find_payout(request.provider_reference)

    def look_up_to_bank(
        self, request: ToBank, *, op_key: str, provider_reference: str
    ) -> ProviderPayout | None:
        """Of a bank account whose answer was lost no id is known.

        It moves no money, which counts as no effect, and the same `op_key` finds it again.
        """
        match request:
            case AddBankRequest():
                return None
            case InspectPayoutRequest():
                return self.find_payout(request.provider_reference)
            case PayOutRequest():
                if provider_reference:
                    return judge_payout(self.find_payout(provider_reference))
                made = (p for p in self.find_payouts(request) if p.op_key == op_key)
                found = next(made, None)
                return None if found is None else judge_payout(found)


def judge_payout(payout: ProviderPayout) -> ProviderPayout:
    """A payout that exists took effect, unless it has failed since.

    :raises Declined: it failed, and its money is with the provider again.
    """
    if payout.status is PayoutStatus.FAILED:
        raise Declined("payout_failed", provider_code=payout.provider_code)
    return payout
