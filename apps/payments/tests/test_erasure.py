"""A customer who is erased is nowhere any more, and the books are whole without them.

Every column of every table is read, what is written once too: nothing could be taken out of there.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from apps.core import ids
from apps.core.money import from_minor
from apps.payments.models import Transfer
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.purses import fund, inside
from apps.payments.tests.purses import wallet as purse
from apps.payments.tests.rows import execute
from apps.payments.tests.tills import ARRIVES, bank
from paysys.testing.simulator import Simulator

# Nobody is called so by chance.
NAME, LATER_NAME = "Xanthippe Quillfeather", "Xanthippe Zwingli-Quill"
EMAIL = "xanthippe.q@feather-mail.example"
NOTE, HOLDER, IBAN = "allergic to walnuts 7741", "X. Q. Feather", "DE89370400440532013000"
PHONE, ADDRESS = "+49 7745 118203", "Quillgasse 77, 79761 Waldshut"
WORDS = (NAME, LATER_NAME, EMAIL, NOTE, HOLDER, IBAN, ARRIVES, PHONE, ADDRESS)


class TestErasure:
    def test_leaves_nothing_of_the_person_in_any_table(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        customer, wallet = a_life(merchant, simulator)
        before = tables_with(*WORDS)
        # As the test can see: the words stand where they may, and the test finds them there.
        assert set(before) == {
            *("idempotency_key", "wallets_customer", "wallets_hold", "wallets_wallet"),
            *("payments_payment", "payments_payout", "payments_refund", "payments_transfer"),
        }
        money = inside(merchant, wallet)

        erased = made(erase(merchant, customer))

        assert tables_with(*WORDS) == {}
        assert (erased["name"], erased["email"], erased["metadata"]) == (None, None, {})
        assert erased["default_payment_method"] is None
        assert inside(merchant, wallet) == money
        truth.assert_nothing_is_left_over()

    def test_leaves_nothing_in_what_comes_later(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """Refunds of what an erased customer paid, news of it, and repeats of old requests."""
        customer, _ = a_life(merchant, simulator)
        made(erase(merchant, customer))

        for payment in merchant.get("/v1/payments").json()["data"]:
            if payment["amount_refundable"]:
                merchant.post(f"/v1/payments/{payment['id']}/refund", {})
        finish_runs()
        for event in simulator.events():
            news.post(simulator.deliver(event))
        news.apply_all()
        repeat = merchant.post("/v1/customers", PERSON, key="customer")

        assert tables_with(*WORDS) == {}
        assert repeat.json()["id"] == customer
        assert (repeat.status_code, repeat.json()["name"]) == (201, None)
        truth.assert_nothing_is_left_over()

    def test_again_changes_nothing(self, merchant: Merchant, simulator: Simulator) -> None:
        customer, _ = a_life(merchant, simulator)
        first, counted = made(erase(merchant, customer)), truth.counts()
        assert made(erase(merchant, customer)) == first
        assert truth.counts() == counted

    def test_takes_the_notes_out_of_events_which_were_never_written_down_with_them(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        customer, _ = a_life(merchant, simulator)
        kinds = {"payment.captured", "refund.succeeded", "transfer.created", "payout.created"}
        before = told(merchant)
        assert {kind for kind, text, _ in before if NAME in text} >= kinds
        assert {kind for kind, _, metadata in before if metadata == ABOUT_THEM["metadata"]} >= kinds

        made(erase(merchant, customer))

        assert {(text, str(metadata)) for _, text, metadata in told(merchant)} == {("", "{}")}

    def test_is_all_that_changes_a_transfer(self, merchant: Merchant) -> None:
        ours, theirs = purse(merchant, 1_000), purse(merchant)
        body = {"amount": 500, "to": theirs, **DESCRIBED}
        made(merchant.post(f"/v1/wallets/{ours}/transfer", body))

        for change in ("amount = 1", "description = 'x', metadata = '{}'", "created_by = 'x'"):
            with pytest.raises(DatabaseError):
                execute(f"UPDATE payments_transfer SET {change}")
        with pytest.raises(DatabaseError):
            execute("DELETE FROM payments_transfer")
        (transfer,) = Transfer.objects.all()
        assert (transfer.amount, transfer.description) == (5, DESCRIBED["description"])

    def test_of_one_leaves_the_others(self, merchant: Merchant) -> None:
        other = made(merchant.post("/v1/customers", {"name": "Somebody Else"}, key="other"))
        customer = made(merchant.post("/v1/customers", PERSON))["id"]
        made(erase(merchant, customer))

        assert merchant.get(f"/v1/customers/{other['id']}").json() == other
        assert set(tables_with("Somebody Else")) == {"idempotency_key"}


PERSON = {"name": NAME, "email": EMAIL, "metadata": {"note": NOTE, "phone": PHONE}}
ABOUT_THEM = {"metadata": {"for": NAME, "to": ADDRESS}}
DESCRIBED = {**ABOUT_THEM, "description": f"For {NAME}, {EMAIL}"}


def a_life(merchant: Merchant, simulator: Simulator) -> tuple[str, str]:
    """All that a customer does here, every request with a key; the customer and their wallet."""
    customer = made(merchant.post("/v1/customers", PERSON, key="customer"))["id"]
    card = made(
        merchant.post(
            "/v1/payment_methods", {"provider_token": "pm_card_visa", "customer": customer}
        )
    )["id"]
    changes = {"name": LATER_NAME, "default_payment_method": card}
    made(merchant.post(f"/v1/customers/{customer}", changes))
    wallet = made(
        merchant.post(
            "/v1/wallets",
            {"customer": customer, "currency": "USD", "metadata": {"of": LATER_NAME}},
        )
    )["id"]
    bank(merchant, customer_id=ids.decode("cus", customer), holder=HOLDER)
    iban = {"holder": HOLDER, "country": "DE", "currency": "EUR", "iban": IBAN}
    made(merchant.post("/v1/bank_accounts", {**iban, "customer": customer}))
    fund(merchant, ids.decode("wallet", wallet), from_minor(50_000, "USD"))
    notes = {"metadata": {"for": NOTE}}
    holds = [
        made(merchant.post(f"/v1/wallets/{wallet}/holds", {"amount": 100, **notes}))["id"]
        for _ in range(3)
    ]
    made(merchant.post(f"/v1/wallets/{wallet}/holds/{holds[0]}/release"))
    made(merchant.post(f"/v1/wallets/{wallet}/holds/{holds[1]}/capture"))
    made(merchant.post(f"/v1/wallets/{wallet}/freeze"))
    made(merchant.post(f"/v1/wallets/{wallet}/unfreeze"))
    by_card = made(merchant.pay(10_000, card, **DESCRIBED))["id"]
    made(merchant.pay(4_000, wallet, **DESCRIBED))
    made(merchant.pay(6_000, card, wallet=wallet, wallet_amount=1_000, **DESCRIBED))
    made(merchant.pay(2_000, card, destination=wallet, **DESCRIBED))
    later = made(merchant.pay(3_000, card, capture_method="manual", **DESCRIBED))["id"]
    finish_runs()
    made(merchant.post(f"/v1/payments/{later}/capture", {"amount": 2_000}))
    finish_runs()
    made(
        merchant.post(
            f"/v1/payments/{by_card}/refund",
            {"amount": 1_000, "reason": f"{NAME} was unhappy", **ABOUT_THEM},
        )
    )
    move_on(merchant, wallet)
    for event in simulator.events():
        news.post(simulator.deliver(event))
    news.apply_all()
    finish_runs()
    return customer, wallet


def move_on(merchant: Merchant, wallet: str) -> None:
    """Money of theirs to another customer and from one, and home to the bank."""
    friend = purse(merchant, 5_000)
    for start, end in ((wallet, friend), (friend, wallet)):
        body = {"amount": 500, "to": end, **DESCRIBED}
        made(merchant.post(f"/v1/wallets/{start}/transfer", body))
    made(merchant.post(f"/v1/wallets/{wallet}/withdraw", {"amount": 700, **DESCRIBED}))


def told(merchant: Merchant) -> list[tuple[str, str, Any]]:
    """What a merchant can read of everything that has notes: the kind, the text, the metadata."""
    events, after = [], ""
    while True:
        page = merchant.get(f"/v1/events?limit=100{after}").json()
        events += page["data"]
        if not page["has_more"]:
            break
        after = f"&starting_after={page['data'][-1]['id']}"
    one = events[-1]
    assert merchant.get(f"/v1/events/{one['id']}").json() == one
    objects = [(event["type"], event["data"]["object"]) for event in events]
    return [
        (kind, shown.get("description") or shown.get("reason") or "", shown["metadata"])
        for kind, shown in objects
        if "metadata" in shown
    ]


def erase(merchant: Merchant, customer: str) -> Any:
    headers = {"Authorization": f"Bearer {merchant.api_key}"}
    return Client().delete(f"/v1/customers/{customer}", headers=headers)


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.content
    body: dict[str, Any] = answer.json()
    return body


def tables_with(*words: str) -> dict[str, list[str]]:
    """The tables in which one of the words stands, those that are append-only first.

    A row is read as text: JSON and arrays as they are written, bytes as hexadecimal digits.
    """
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p')"
            " AND c.relnamespace = 'public'::regnamespace ORDER BY NOT EXISTS ("
            " SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = c.oid AND p.proname = 'core_refuse_change'), c.relname"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert "ledger_entry" in tables[:20]
        for table in tables:
            for word in words:
                cursor.execute(
                    f"SELECT count(*) FROM {table} t WHERE strpos(lower(t::text), lower(%s)) > 0"
                    " OR strpos(t::text, encode(convert_to(%s, 'UTF8'), 'hex')) > 0",
                    [word, word],
                )
                if cursor.fetchone()[0]:
                    found.setdefault(table, []).append(word)
    return found
