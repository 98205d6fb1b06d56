"""Public ids: a prefix and the UUIDv7 in 26 Crockford characters. Computed, never stored.

The characters are right-aligned as in ULID (130 bits, the first two always zero), so public ids of
one prefix sort by the time they were made, as their UUIDs do.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.core.errors import NotFound

LENGTH = 26

_RFC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = b"0123456789abcdefghjkmnpqrstvwxyz"
_TO_CROCKFORD = bytes.maketrans(_RFC, _CROCKFORD)
# Crockford's reading aid: o is 0, i and l are 1. `u` and the padding sign must fail to decode.
_FROM_CROCKFORD = bytes.maketrans(_CROCKFORD + b"oil" + b"u=", _RFC + b"ABB" + b"!!")
# 20 bytes make exactly 32 characters, so a UUID set right in them ends in its 26 characters.
_FILL_BYTES = bytes(4)
_FILL_CHARACTERS = b"A" * 6


class InvalidId(NotFound):
    """Not an id of the kind asked for. The answer is that of a missing object."""


def new_id() -> UUID:
    """A new UUIDv7: its order is the order of creation, to the millisecond."""
    return uuid7()


def lowest_at(moment: datetime) -> UUID:
    """No UUIDv7 made at or after `moment` is below this, and none made before is above."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def encode(prefix: str, id: UUID) -> str:  # noqa: A002
    """The public id: `encode("pay", id)` is `pay_` and 26 lower-case characters."""
    return f"{prefix}_{b32encode(_FILL_BYTES + id.bytes)[6:].translate(_TO_CROCKFORD).decode()}"


def decode(prefix: str, text: object) -> UUID:
    """The UUID of a public id of this prefix; capitals are read too.

    :raises InvalidId: another prefix, another length, a character outside the alphabet, or more
        than 128 bits.
    """
    return decode_any(text, (prefix,))[1]


def decode_any(text: object, prefixes: Collection[str]) -> tuple[str, UUID]:
    """The prefix and the UUID of a public id whose prefix is one of `prefixes`.

    :raises InvalidId: as `decode`.
    """
    # `isascii` first: `lower()` would turn the Kelvin sign into a k.
    if isinstance(text, str) and text.isascii():
        prefix, _, characters = text.lower().rpartition("_")
        if prefix in prefixes and len(characters) == LENGTH:
            encoded = characters.encode().translate(_FROM_CROCKFORD)
            try:
                value = b32decode(_FILL_CHARACTERS + encoded)
            except ValueError:
                value = b"\xff"
            if value.startswith(_FILL_BYTES):
                return prefix, UUID(bytes=value[4:])
    raise InvalidId(f"No such object: not an id like {' or '.join(f'{p}_…' for p in prefixes)}.")
