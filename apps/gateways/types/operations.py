"""What can be asked of a provider, and what every request says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from uuid import UUID


class Operation(StrEnum):
    CREATE = "create"  # the provider's object, which moves no money
    CONFIRM = "confirm"  # authorizes it
    INSPECT = "inspect"  # asks what became of it while the customer was away; changes nothing
    CAPTURE = "capture"
    VOID = "void"
    INSPECT_VOID = "inspect_void"  # asks whether the object is over for good; changes nothing
    REFUND = "refund"
    INSPECT_REFUND = "inspect_refund"  # asks how a refund stands; changes nothing
    ADD_BANK = "add_bank"  # tells the provider of a bank account; moves no money
    PAY_OUT = "pay_out"
    INSPECT_PAYOUT = "inspect_payout"  # asks how a payout stands; changes nothing
    INSPECT_DISPUTE = "inspect_dispute"  # asks how a dispute stands; changes nothing
    UPLOAD_FILE = "upload_file"  # gives the provider a file for an answer; moves no money
    SUBMIT_EVIDENCE = "submit_evidence"
    ACCEPT_DISPUTE = "accept_dispute"


@dataclass(frozen=True, kw_only=True)
class BaseRequest:
    """`payment_id` is the payment whose one slot for an open call this takes, also in a refund.

    A payout's calls have a slot of their own: its id stands there.
    """

    provider: str
    payment_id: UUID

    operation: ClassVar[Operation]


@dataclass(frozen=True, kw_only=True)
class InspectVoidRequest(BaseRequest):
    """Ask whether an object is over: nothing was taken, and nobody can do anything with it."""

    operation: ClassVar[Operation] = Operation.INSPECT_VOID

    provider_reference: str
