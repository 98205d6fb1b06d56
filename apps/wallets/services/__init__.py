"""Everything that writes customers, their payment methods, their wallets and the holds on them."""

from apps.wallets.services.customers import (
    CustomerErased,
    Stored,
    create_customer,
    describe_payment_method,
    erase_customer,
    require_customer,
    store_payment_method,
)
from apps.wallets.services.holds import (
    HoldNotOpen,
    capture_hold,
    place_hold,
    release_hold,
    require_active,
    require_open,
    take_over_hold,
)

__all__ = [
    "CustomerErased",
    "HoldNotOpen",
    "Stored",
    "capture_hold",
    "create_customer",
    "describe_payment_method",
    "erase_customer",
    "place_hold",
    "release_hold",
    "require_active",
    "require_customer",
    "require_open",
    "store_payment_method",
    "take_over_hold",
]
