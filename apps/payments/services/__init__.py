"""Everything that writes payments: a merchant's orders, and what providers tell us."""

from apps.payments.services.news import PARKED_FOR, apply_event, apply_settlement, settle
from apps.payments.services.orders import (
    CaptureTooLarge,
    MethodDetached,
    NotCapturable,
    NotRefundable,
    NotVoidable,
    ReferenceTaken,
    RefundTooLarge,
    Started,
    create_payment,
    create_refund,
    order_capture,
    order_void,
)

__all__ = [
    "PARKED_FOR",
    "CaptureTooLarge",
    "MethodDetached",
    "NotCapturable",
    "NotRefundable",
    "NotVoidable",
    "ReferenceTaken",
    "RefundTooLarge",
    "Started",
    "apply_event",
    "apply_settlement",
    "create_payment",
    "create_refund",
    "order_capture",
    "order_void",
    "settle",
]
