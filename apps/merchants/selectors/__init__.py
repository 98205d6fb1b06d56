"""Who is asking, what does it cost them, and when and where are they paid?"""

from apps.core.types import Invariant
from apps.merchants.selectors.access import (
    KEY_SECONDS,
    PREFIX_LENGTH,
    KeyExpired,
    KeyMissing,
    KeyOfOtherMode,
    KeyRevoked,
    KeyUnknown,
    KnownKey,
    MerchantInactive,
    by_api_key,
    digest_of,
    get,
    keys,
    known_key,
    list_keys,
    name_of,
)
from apps.merchants.selectors.banks import (
    find_bank_details,
    find_default_bank_account,
    get_bank_account,
    has_had_bank_account,
    list_bank_accounts,
    lock_bank_account,
)
from apps.merchants.selectors.fees import (
    NoFeePlan,
    fee_for,
    list_fee_plans,
    plans,
)
from apps.merchants.selectors.terms import list_paid_daily, payout_terms, terms

__all__ = [
    "INVARIANTS",
    "KEY_SECONDS",
    "PREFIX_LENGTH",
    "KeyExpired",
    "KeyMissing",
    "KeyOfOtherMode",
    "KeyRevoked",
    "KeyUnknown",
    "KnownKey",
    "MerchantInactive",
    "NoFeePlan",
    "by_api_key",
    "digest_of",
    "fee_for",
    "find_bank_details",
    "find_default_bank_account",
    "get",
    "get_bank_account",
    "has_had_bank_account",
    "keys",
    "known_key",
    "list_bank_accounts",
    "list_fee_plans",
    "list_keys",
    "list_paid_daily",
    "lock_bank_account",
    "name_of",
    "payout_terms",
    "plans",
    "terms",
]

INVARIANTS = (
    Invariant(
        name="merchant_has_fee_plan",
        sql="""
            SELECT m.id, m.name FROM merchants_merchant m
            WHERE NOT EXISTS (SELECT FROM merchants_fee_plan p WHERE p.book_id = m.id)""",
        says="Every merchant has a fee plan.",
    ),
    Invariant(
        name="api_key_is_hashed",
        sql="SELECT prefix FROM merchants_api_key WHERE octet_length(digest) <> 32",
        says="Of every API key only its prefix and a hash of 32 bytes are stored.",
    ),
    Invariant(
        name="bank_account_is_encrypted",
        sql="SELECT id FROM merchants_bank_account WHERE NOT starts_with(holder_encrypted, 'v1.') "
        "OR NOT starts_with(number_encrypted, 'v1.')",
        says="Of every bank account only the last four are stored in the clear.",
    ),
    Invariant(
        name="removed_bank_account_is_forgotten",
        sql="SELECT id FROM merchants_bank_account WHERE removed_at IS NOT NULL "
        "AND (holder_encrypted IS NOT NULL OR number_encrypted IS NOT NULL)",
        says="Nobody can be paid to an account that was removed.",
    ),
)
