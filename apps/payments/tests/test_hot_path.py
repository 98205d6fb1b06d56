"""What the hot path costs: messages to the database and commits, from the request to AUTHORIZED.

Measured over the request's thread and the pool's. A message outside of `atomic()` is a round trip
and, if it writes, a commit. Whoever adds one must say so here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from apps.payments.tests import purses, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.purses import wallet
from paysys.testing.simulator import Simulator

WRITES = ("INSERT", "UPDATE", "DELETE", "ledger_post")


@dataclass
class Messages:
    """Every message to the database, of every thread, in the order they were sent."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.sent.append((threading.current_thread().name, sql))
        return execute(sql, params, many, context)

    @property
    def commits(self) -> list[str]:
        """Messages that write. None of them is inside `atomic()`: each is its own commit."""
        return [sql for _, sql in self.sent if any(word in sql for word in WRITES)]

    @property
    def reads(self) -> list[str]:
        return [sql for _, sql in self.sent if sql not in self.commits]

    def of_request(self) -> list[str]:
        """Those of the request's own thread; the others are the pool's."""
        return [sql for name, sql in self.sent if not name.startswith("saga")]


@pytest.fixture
def messages() -> Iterator[Messages]:
    """Listens to the connections of every thread, also of those that are yet to be made."""
    found = Messages()
    heard: list[BaseDatabaseWrapper] = []

    def listen(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if found.note not in connection.execute_wrappers:
            connection.execute_wrappers.append(found.note)
            heard.append(connection)

    connection_created.connect(listen)
    listen(connection)
    yield found
    connection_created.disconnect(listen)
    for each in heard:
        each.execute_wrappers.remove(found.note)
    connections.close_all()


def report(what: str, messages: Messages) -> None:
    print(  # noqa: T201  for whoever runs it with -s
        f"\n{what}: {len(messages.sent)} messages, of which {len(messages.commits)} write"
        f" and {len(messages.reads)} read; {len(messages.of_request())} by the request's thread"
    )
    for thread, sql in messages.sent:
        tables = [
            table
            for table in ("idempotency_key", "payments_payment", "sagas_run", "notifications_event",
                          "audit_entry", "gateways_provider_call", "gateways_provider_object",
                          "ledger_post", "risk_assessment", "wallets_payment_method", "merchants_")
            if table in sql
        ]  # fmt: skip
        kind = "write" if sql in messages.commits else "read "
        about = ", ".join(tables) or sql[:60]
        print(f"  {thread[:12]:12} {kind} {len(sql):6} bytes  {about}")  # noqa: T201


class TestAPayment:
    def test_is_accepted_in_one_message_and_authorized_in_few(
        self, merchant: Merchant, simulator: Simulator, messages: Messages
    ) -> None:
        merchant.pay()  # the key, the fee plan and the pool's thread are known from now on
        messages.sent.clear()

        answer = merchant.pay()

        assert (answer.status_code, answer.json()["status"]) == (201, "AUTHORIZED")
        report("POST /v1/payments to AUTHORIZED", messages)
        accept = messages.commits[0]
        for table in (
            *("idempotency_key", "payments_payment", "sagas_run"),
            *("notifications_event", "audit_entry"),
        ):
            assert f"INSERT INTO {table}" in accept, table
        assert sum("INSERT INTO payments_payment" in sql for _, sql in messages.sent) == 1
        # Accepted, with create promised; create told and confirm promised; confirm told, answered.
        assert len(messages.commits) == 3
        assert messages.reads == []
        assert messages.of_request() == [accept]

    def test_is_captured_and_credited_by_a_worker_in_few_more(
        self, merchant: Merchant, simulator: Simulator, messages: Messages
    ) -> None:
        payment_id = merchant.pay().json()["id"]
        messages.sent.clear()

        finish_runs()

        report("AUTHORIZED to CAPTURED, by the sweeper", messages)
        assert merchant.payment(payment_id).status == "CAPTURED"
        # Leased; capture promised; told, credited and confirmed.
        assert len(messages.commits) == 3
        booked = messages.commits[-1]
        assert booked.count("ledger_post") == 2
        truth.assert_told_once(merchant, simulator, payment_id)

    def test_with_a_saved_card_is_accepted_in_one_message_too(
        self, merchant: Merchant, simulator: Simulator, messages: Messages
    ) -> None:
        card = merchant.post("/v1/payment_methods", {"provider_token": "pm_card_visa"}).json()["id"]
        merchant.pay(source=card)
        messages.sent.clear()

        assert merchant.pay(source=card).status_code == 201

        report("POST /v1/payments with a saved card", messages)
        assert len(messages.commits) == 3
        assert len(messages.reads) == 1, "the card's token"


class TestAWalletPayment:
    def test_is_one_message_in_which_every_row_is_written_once(
        self, merchant: Merchant, messages: Messages
    ) -> None:
        purse = wallet(merchant, 50_000)
        merchant.pay(10_000, purse)
        messages.sent.clear()

        answer = merchant.pay(10_000, purse)

        assert (answer.status_code, answer.json()["status"]) == (201, "SETTLED")
        report("POST /v1/payments from a wallet", messages)
        [(_, whole)] = messages.sent
        for table in (
            *("idempotency_key", "payments_payment", "wallets_hold", "sagas_run"),
            *("notifications_event", "audit_entry", "risk_assessment"),
        ):
            assert len(re.findall(rf"INSERT INTO {table}\b", whole)) == 1, table
        assert "UPDATE" not in whole
        assert whole.count("ledger_post") == 3
        kinds = ["created", "authorized", "captured", "settled", "succeeded"]
        payment = merchant.payment(answer.json()["id"])
        assert truth.kinds_of(payment.id) == [f"payment.{kind}" for kind in kinds]
        assert payment.version == len(kinds)
        truth.assert_nothing_is_left_over()

    def test_looks_at_the_wallet_only_to_say_what_is_wrong_with_it(
        self, merchant: Merchant, messages: Messages
    ) -> None:
        purse = wallet(merchant, 50_000)
        purses.set_status(purse, "FROZEN")
        messages.sent.clear()

        refused = merchant.pay(10_000, purse)

        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "wallet_frozen")
        looks = [sql for sql in messages.reads if 'FROM "wallets_wallet"' in sql]
        assert len(looks) == 1
        assert purses.inside(merchant, purse) == (50_000, 0)

    def test_of_two_wallets_is_moved_by_a_transfer_that_looks_at_neither_twice(
        self, merchant: Merchant, messages: Messages
    ) -> None:
        source, target = wallet(merchant, 50_000), wallet(merchant)
        merchant.post(f"/v1/wallets/{source}/transfer", {"amount": 1, "to": target})
        messages.sent.clear()

        moved = merchant.post(f"/v1/wallets/{source}/transfer", {"amount": 100, "to": target})

        assert moved.status_code == 201
        report("POST /v1/wallets/…/transfer", messages)
        # Whose currency it is; the transfer; its answer.
        assert (len(messages.reads), len(messages.commits)) == (1, 2)


class TestARefund:
    def test_is_one_transaction_and_two_commits_of_its_run(
        self, merchant: Merchant, simulator: Simulator, messages: Messages
    ) -> None:
        payment_id = merchant.captured()
        messages.sent.clear()

        answer = merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 100})

        assert answer.status_code == 201
        report("POST /v1/payments/…/refund to SUCCEEDED", messages)
        in_pool = [sql for name, sql in messages.sent if name.startswith("saga")]
        assert sum(any(word in sql for word in WRITES) for sql in in_pool) == 2
