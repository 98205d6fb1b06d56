"""What the tests create: a row of the audit trail stands for the resource. It cannot be undone."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import HttpResponse

from apps.audit import services as audit
from apps.core import clock
from apps.core.ids import new_id
from apps.idempotency import services
from apps.idempotency.models import IdempotencyKey
from apps.idempotency.types import RequestFacts


@dataclass
class Scene:
    """One caller, and what it sees of `create` and `render`."""

    book_id: UUID = field(default_factory=new_id)
    created: list[UUID] = field(default_factory=list)
    rendered: list[tuple[Any, bool]] = field(default_factory=list)
    during_create: Any = None  # called in `create`, after its write
    during_render: Any = None
    answer: tuple[int, dict[str, Any], bool] | None = None

    def send(
        self,
        key: str | None = "k1",
        body: Any = None,
        *,
        method: str = "POST",
        path: str = "/v1/things",
        on_duplicate: Any = None,
        **more: Any,
    ) -> HttpResponse:
        facts = RequestFacts(
            book_id=self.book_id,
            key=key,
            method=method,
            path=path,
            body={"amount": 1} if body is None else body,
            now=clock.now(),
            request_id="req_test",
            **more,
        )
        return services.run(facts, self.create, self.render, on_duplicate=on_duplicate)

    def create(self, resource_id: UUID) -> None:
        self.created.append(resource_id)
        audit.record(
            book_id=self.book_id,
            actor="system",
            action="thing.made",
            subject_id=resource_id,
            subject_kind="thing",
            facts={},
            now=clock.now(),
        )
        if self.during_create is not None:
            self.during_create(resource_id)

    def render(self, made: Any, is_taken_over: bool) -> tuple[int, dict[str, Any], bool]:
        self.rendered.append((made, is_taken_over))
        if self.during_render is not None:
            self.during_render(made)
        return self.answer or (201, {"id": str(made), "made_at": str(clock.now())}, True)

    def things(self) -> list[UUID]:
        """What really exists."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT subject_id FROM audit_entry WHERE book_id = %s ORDER BY id",
                (self.book_id,),
            )
            return [row for (row,) in cursor.fetchall()]

    def key(self, key: str = "k1") -> IdempotencyKey:
        return IdempotencyKey.objects.get(book_id=self.book_id, key=key)

    def die_before_the_answer(self, key: str = "k1") -> UUID:
        """Leave a key whose request was killed after its commit, and whose lock has run out."""

        def crash(_made: Any) -> None:
            raise KeyboardInterrupt

        self.during_render = crash
        with suppress(KeyboardInterrupt):
            self.send(key)
        self.during_render = None
        self.unlock(key)
        return self.key(key).id

    def unlock(self, key: str = "k1") -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE idempotency_key SET locked_until = clock_timestamp()"
                " WHERE book_id = %s AND key = %s",
                (self.book_id, key),
            )


def body_of(response: HttpResponse) -> Any:
    return json.loads(response.content)
