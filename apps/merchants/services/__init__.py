"""Taking merchants on, their keys, their fees, and how they are paid out."""

from apps.merchants.services.banks import (
    add_bank_account,
    forget_bank_accounts,
    name_bank_account,
    remove_bank_account,
    require_bank_account,
)
from apps.merchants.services.fees import PlanInThePast, set_fee_plan
from apps.merchants.services.onboarding import (
    DEFAULT_OVERLAP,
    SINCE_EVER,
    KeyGone,
    change_status,
    issue_key,
    note_use,
    onboard,
    revoke_key,
    rotate_key,
)
from apps.merchants.services.recording import require_country
from apps.merchants.services.terms import set_payout_terms

__all__ = [
    "DEFAULT_OVERLAP",
    "SINCE_EVER",
    "KeyGone",
    "PlanInThePast",
    "add_bank_account",
    "change_status",
    "forget_bank_accounts",
    "issue_key",
    "name_bank_account",
    "note_use",
    "onboard",
    "remove_bank_account",
    "require_bank_account",
    "require_country",
    "revoke_key",
    "rotate_key",
    "set_fee_plan",
    "set_payout_terms",
]
