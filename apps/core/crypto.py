"""Encrypted fields: AES-256-GCM, bound to their place.

A token is `v1.<key id>.<nonce and ciphertext>` in base64. Table, column, row and book are
authenticated with it, so a token copied into another row, column or book does not decrypt.

Keys come from the environment, `PAYSYS_FIELD_KEYS="k2:<base64>,k1:<base64>"`: the first encrypts,
all of them decrypt. To rotate, put a new key first, restart, run `manage.py rotate_keys`, and then
remove the old one.
"""

from __future__ import annotations

import os
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VERSION = "v1"
NONCE_BYTES = 12


class Undecryptable(Exception):
    """Not a token of this place, or of a key we no longer have. Never shown to a caller."""


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column that `rotate_keys` has to know. Its table has `id` and `book_id`."""

    table: str
    column: str
    batch: int = 500  # rows that `rotate_keys` may hold at once


_registry: set[EncryptedColumn] = set()


def register(*, table: str, column: str, batch: int = 500) -> None:
    """Name an encrypted column; called by the app that owns it when it is loaded.

    `batch`: less where a row is large.
    """
    _registry.add(EncryptedColumn(table, column, batch))


def columns() -> list[EncryptedColumn]:
    """Every encrypted column, in a stable order."""
    return sorted(_registry, key=lambda known: (known.table, known.column))


def encrypt(plain: str, *, table: str, column: str, row_id: UUID, book_id: UUID) -> str:
    """The token of `plain` for this place, under the current key. Another one at every call."""
    return encrypt_bytes(plain.encode(), table=table, column=column, row_id=row_id, book_id=book_id)


def decrypt(token: str, *, table: str, column: str, row_id: UUID, book_id: UUID) -> str:
    """What `encrypt` was given.

    :raises Undecryptable: a token of another place, a changed one, or of an unknown key.
    """
    plain = decrypt_bytes(token, table=table, column=column, row_id=row_id, book_id=book_id)
    return plain.decode()


def encrypt_bytes(plain: bytes, *, table: str, column: str, row_id: UUID, book_id: UUID) -> str:
    """As `encrypt`, of what is no text. The token is a third longer."""
    key_id, keys = current_key_id(), _keys(settings.PAYSYS_FIELD_KEYS)
    nonce = os.urandom(NONCE_BYTES)
    place = _place(key_id, table, column, row_id, book_id)
    sealed = nonce + keys[key_id].encrypt(nonce, plain, place)
    return f"{VERSION}.{key_id}.{urlsafe_b64encode(sealed).decode()}"


def decrypt_bytes(token: str, *, table: str, column: str, row_id: UUID, book_id: UUID) -> bytes:
    """What `encrypt_bytes` was given; raises as `decrypt`."""
    version, _, rest = token.partition(".")
    key_id, _, encoded = rest.partition(".")
    key = _keys(settings.PAYSYS_FIELD_KEYS).get(key_id)
    if version != VERSION or key is None:
        raise Undecryptable(f"{table}.{column}: no key for {version}.{key_id[:20]}")
    try:
        sealed = urlsafe_b64decode(encoded)
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        place = _place(key_id, table, column, row_id, book_id)
        return key.decrypt(nonce, ciphertext, place)
    except (InvalidTag, ValueError):
        raise Undecryptable(f"{table}.{column}: not a token of row {row_id}") from None


def current_key_id() -> str:
    """The id of the key that encrypts: the first of `PAYSYS_FIELD_KEYS`."""
    return next(iter(_keys(settings.PAYSYS_FIELD_KEYS)))


def is_current(token: str) -> bool:
    """Whether the token is under the current key."""
    return token.startswith(f"{VERSION}.{current_key_id()}.")


def _place(key_id: str, table: str, column: str, row_id: UUID, book_id: UUID) -> bytes:
    # A separator that none of them can hold, so no two places have one text.
    return "\n".join((VERSION, key_id, table, column, str(row_id), str(book_id))).encode()


@lru_cache(maxsize=8)
def _keys(configured: str) -> dict[str, AESGCM]:
    """The keys by id, the current one first."""
    keys: dict[str, AESGCM] = {}
    for entry in filter(None, configured.split(",")):
        key_id, _, encoded = entry.strip().partition(":")
        try:
            secret = b64decode(encoded, validate=True)
        except ValueError:
            secret = b""
        if not key_id.isalnum() or key_id in keys or len(secret) != 32:
            # The message must not repeat the entry.
            raise ImproperlyConfigured(
                "PAYSYS_FIELD_KEYS: entries are <id>:<base64 of 32 bytes>, each id once"
            )
        keys[key_id] = AESGCM(secret)
    if not keys:
        raise ImproperlyConfigured("PAYSYS_FIELD_KEYS is empty: no field can be encrypted")
    return keys
