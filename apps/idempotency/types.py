"""What a repeatable request is, as values."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.core import clock
from apps.core.answers import request_id_of

# Makes the resource of this id with `db.write`, inside the unit (or transaction) whose first
# statement claims the key. It may be called again with the same id when the unit has to be sent
# again, so it has no other effect, and reads what it needs afresh each time. What it returns is
# given to `Render`.
Create = Callable[[UUID], Any]


class Finality(IntEnum):
    """Whether an answer is the one for good; where only yes and no are known, a bool will do."""

    NOT_YET = 0
    FINAL = 1
    STORED = 2  # for good, and stored already, by `services.store_answer` with the same content


# Called after the commit, outside of any transaction, with what `create` returned (the resource's
# id if that was None, or if this request takes over from one that died) and whether it takes over.
# Returns the status, the body, and whether this is the answer for good; 202 never is.
Render = Callable[[Any, bool], tuple[int, Mapping[str, Any], bool | Finality]]

API_SCOPE = "api"

# The header in the API's description: of calls that move money, and of all others.
REQUIRED_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A value of your own, a new one for each operation; repeats get the same answer.",
)
OPTIONAL_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Optional here: a repeat with the same key gets the first answer.",
)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What makes two requests the same: who, which key, and asking for what.

    `scope` keeps apart those who may use the same key in one book: `api`, or `staff:{user}`.
    `is_locking` runs `create` in an open transaction, claim first, so that it can lock what it
    reads; without it, everything travels in one message and guards decide.
    `is_held` keeps the key until `services.let_expire` says that the resource's run has ended.
    `about_id` says whose data the answer holds (a customer, a payment), if the resource does not:
    it is forgotten with theirs.
    """

    book_id: UUID
    key: str | None
    method: str
    path: str
    body: Any
    now: datetime
    request_id: str = ""
    scope: str = API_SCOPE
    key_required: bool = True
    is_locking: bool = False
    is_held: bool = False
    about_id: UUID | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        key_required: bool = True,
        is_locking: bool = False,
        is_held: bool = False,
        about_id: UUID | None = None,
    ) -> RequestFacts:
        """The facts of an API request that has been authenticated.

        :raises InvalidRequest: its body cannot be read.
        """
        return cls(
            book_id=request.auth.book_id,  # type: ignore[union-attr]
            key=request.headers.get("Idempotency-Key"),
            method=request.method or "",
            path=request.path,
            body=request.data,
            now=clock.now(),
            request_id=request_id_of(request),
            key_required=key_required,
            is_locking=is_locking,
            is_held=is_held,
            about_id=about_id,
        )

    @property
    def fingerprint(self) -> bytes:
        """HMAC-SHA256 over method, path and the body with its keys in order.

        Keyed: a body may hold a name or an account number, which a plain hash would give away to
        whoever tries them all.
        """
        body = json.dumps(self.body, sort_keys=True, separators=(",", ":"))
        request = f"{self.method}\n{self.path}\n{body}".encode()
        return hmac.digest(settings.PAYSYS_KEY_PEPPER.encode(), request, hashlib.sha256)
