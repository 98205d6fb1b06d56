"""A shop to test with: a merchant, its key, and a client that uses it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.test import Client

from apps.core import clock
from apps.core.ids import new_id
from apps.merchants import services


@dataclass(frozen=True)
class Shop:
    book_id: UUID
    api_key: str

    def get(self, path: str, **query: Any) -> Any:
        return Client().get(path, query, headers=self._headers({}))

    def post(
        self, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None
    ) -> Any:
        content = json.dumps({} if body is None else body).encode() if raw is None else raw
        return Client(raise_request_exception=False).post(
            path,
            content,
            content_type="application/json",
            headers=self._headers({"Idempotency-Key": key} if key is not None else {}),
        )

    def delete(self, path: str) -> Any:
        return Client().delete(path, headers=self._headers({}))

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}", **more}


def make_shop(**key: Any) -> Shop:
    """A merchant with a key of all scopes, unless `key` says otherwise (see `issue_key`)."""
    book_id, now = new_id(), clock.now()
    services.onboard(
        id=book_id,
        name="Copper Kettle",
        country="US",
        default_currency="USD",
        actor="system",
        now=now - timedelta(days=1),
    )
    _, plaintext = services.issue_key(book_id=book_id, actor="system", now=now, **key)
    return Shop(book_id, plaintext)
