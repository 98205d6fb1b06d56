"""Leases that end while their holder is still at it, which in production takes half a minute."""

from apps.core import db
from apps.sagas import engine, store

# What the leases of calls are computed from: their timeout and a safety margin.
_CALL_SECONDS = 23.0


def shorten(seconds: float) -> None:
    """Runs are leased for so long, whatever the holder does meanwhile. For a process, for good."""
    assert not db.is_open()
    store.LEASE_SECONDS = seconds
    defaults = store.lease.__kwdefaults__
    assert defaults is not None
    defaults["seconds"] = seconds
    engine.SAFETY_SECONDS = seconds - _CALL_SECONDS
