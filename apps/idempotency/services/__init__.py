"""One key, one effect: running a request under its key, and keeping what it was answered."""

from apps.idempotency.services.keeping import (
    EXPIRY_BATCH,
    EXPIRY_BATCHES,
    expire,
    forget_answers,
    let_expire,
    store_answer,
)
from apps.idempotency.services.running import ATTEMPTS, LOCK_SECONDS, run

__all__ = [
    "ATTEMPTS",
    "EXPIRY_BATCH",
    "EXPIRY_BATCHES",
    "LOCK_SECONDS",
    "expire",
    "forget_answers",
    "let_expire",
    "run",
    "store_answer",
]
