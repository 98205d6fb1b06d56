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
)
from apps.merchants.selectors.fees import (
    NoFeePlan,
    fee_for,
    list_fee_plans,
    plans,
)
from apps.merchants.selectors.terms import payout_terms, terms

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
    "get",
    "keys",
    "known_key",
    "list_fee_plans",
    "list_keys",
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
)
