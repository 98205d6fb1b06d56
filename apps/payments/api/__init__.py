"""The REST face of payments: translate in, one service call, translate out."""

from apps.payments.api.payments import (
    Capture,
    OnePayment,
    OneRefund,
    Payments,
    RefundOfPayment,
    Refunds,
    Void,
)

__all__ = [
    "Capture",
    "OnePayment",
    "OneRefund",
    "Payments",
    "RefundOfPayment",
    "Refunds",
    "Void",
]
