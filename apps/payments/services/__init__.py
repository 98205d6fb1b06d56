"""Everything that writes payments: a merchant's orders, and what providers tell us."""

from apps.payments.services.bank_statements import BadStatement, import_statement
from apps.payments.services.dispute_orders import (
    DisputeClosed,
    EvidenceOverdue,
    EvidenceSubmitted,
    NotAcceptable,
    NotOurTurn,
)
from apps.payments.services.excess import CaseChanged, MoreThanIsOpen, ReasonMissing
from apps.payments.services.inbound import (
    TRIED_FOR,
    UNHEARD_AFTER,
    count_not_acted_on,
    replay_events,
    sweep_events,
)
from apps.payments.services.news import PARKED_FOR, apply_event, apply_settlement, settle
from apps.payments.services.orders import (
    CaptureTooLarge,
    NotCapturable,
    NotRefundable,
    NotVoidable,
    ReferenceTaken,
    RefundTooLarge,
    Started,
    capture_hold,
    create_payment,
    create_refund,
    order_capture,
    order_void,
)
from apps.payments.services.payouts import (
    BalanceNegative,
    BankAccountNotUsable,
    NoBankAccount,
    PaidOutToday,
    PayoutTooLarge,
    PayoutTooSmall,
    create_payout,
    create_withdrawal,
    pay_out_daily,
)
from apps.payments.services.receipts import match, match_undecided
from apps.payments.services.refusals import NotSupportedByMethod
from apps.payments.services.releases import release
from apps.payments.services.suspense import (
    CaseNotOpen,
    DoesNotFit,
    NotAwaited,
    allocate,
    return_to_sender,
)
from apps.payments.services.tenders import MethodDetached, routable, usable_tokens
from apps.payments.services.transfers import SelfTransfer, transfer

__all__ = [
    "PARKED_FOR",
    "TRIED_FOR",
    "UNHEARD_AFTER",
    "BadStatement",
    "BalanceNegative",
    "BankAccountNotUsable",
    "CaptureTooLarge",
    "CaseChanged",
    "CaseNotOpen",
    "DisputeClosed",
    "DoesNotFit",
    "EvidenceOverdue",
    "EvidenceSubmitted",
    "MethodDetached",
    "MoreThanIsOpen",
    "NoBankAccount",
    "NotAcceptable",
    "NotAwaited",
    "NotCapturable",
    "NotOurTurn",
    "NotRefundable",
    "NotSupportedByMethod",
    "NotVoidable",
    "PaidOutToday",
    "PayoutTooLarge",
    "PayoutTooSmall",
    "ReasonMissing",
    "ReferenceTaken",
    "RefundTooLarge",
    "SelfTransfer",
    "Started",
    "allocate",
    "apply_event",
    "apply_settlement",
    "capture_hold",
    "count_not_acted_on",
    "create_payment",
    "create_payout",
    "create_refund",
    "create_withdrawal",
    "import_statement",
    "match",
    "match_undecided",
    "order_capture",
    "order_void",
    "pay_out_daily",
    "release",
    "replay_events",
    "return_to_sender",
    "routable",
    "settle",
    "sweep_events",
    "transfer",
    "usable_tokens",
]
