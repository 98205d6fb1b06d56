"""The console's pages of receipts and cases: whoever may resolve a case does it once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apps.audit import selectors as audit
from apps.payments.models import BankReceipt, SuspenseCase
from apps.payments.tests import transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs

CASES = "admin:payments_suspensecase_changelist"


def staff(*permissions: str) -> tuple[User, Client]:
    user = User.objects.create_user("finance", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return user, client


@pytest.fixture
def finance() -> tuple[User, Client]:
    return staff("view_suspensecase", "view_bankreceipt", "resolve_suspensecase")


def click(client: Client, action: str, cases: list[SuspenseCase], **more: str) -> Any:
    body = {"action": action, "_selected_action": [str(case.id) for case in cases], **more}
    return client.post(reverse(CASES), body, follow=True)


def page(answer: Any) -> str:
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


class TestTheConsole:
    def test_shows_every_receipt_and_case(
        self, merchant: Merchant, finance: tuple[User, Client]
    ) -> None:
        _, client = finance
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)
        transfers.bank_tells(("b1", "100.00", reference), ("b2", "7.00", ""))
        transfers.services.import_statement(
            text=transfers.statement(("b3", "1.00", "")), actor="system", now=truth.clock.now()
        )

        receipts = page(client.get(reverse("admin:payments_bankreceipt_changelist")))
        assert all(text in receipts for text in ("b1", "b2", made["id"], "not yet", reference))
        cases = page(client.get(reverse(CASES)))
        assert "unknown_reference" in cases
        assert "Allocate to a payment" in cases
        for row in (BankReceipt.objects.first(), SuspenseCase.objects.first()):
            assert row is not None
            name = f"admin:payments_{row._meta.model_name}_change"
            assert client.get(reverse(name, args=[row.pk])).status_code == 200
            assert client.post(reverse(name, args=[row.pk]), {}).status_code == 403

    def test_allocates_after_asking_for_the_payment(
        self, merchant: Merchant, finance: tuple[User, Client]
    ) -> None:
        user, client = finance
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "60.00", ""), ("b2", "40.00", ""))
        cases = list(transfers.cases())

        asked = page(click(client, "allocate", cases))
        assert "$60.00" in asked
        assert merchant.payment(made["id"]).status == "AUTHORIZED"
        said = page(click(client, "allocate", cases, confirmed="yes", payment=made["id"]))
        again = page(click(client, "allocate", cases, confirmed="yes", payment=made["id"]))
        finish_runs()

        assert f"{made['id']} is captured." in said
        assert "is captured." not in again
        assert merchant.payment(made["id"]).status == "SETTLED"
        for case in cases:
            trail = audit.list_entries(book_id=case.book_id, subject_id=case.id)
            assert [entry.actor for entry in trail] == ["system", f"staff:{user.pk}"]
        assert truth.violations() == {}

    def test_says_why_not(self, merchant: Merchant, finance: tuple[User, Client]) -> None:
        _, client = finance
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "60.00", ""))
        cases = list(transfers.cases())

        said = page(click(client, "allocate", cases, confirmed="yes", payment=made["id"]))
        none = page(click(client, "allocate", cases, confirmed="yes", payment="pay_x"))
        empty = page(click(client, "allocate", cases, confirmed="yes", payment=""))

        assert "The payment waits for $100.00; this is $60.00." in said
        assert "No such object" in none
        assert "This field is required" in empty
        assert transfers.reasons() == ["unknown_reference"]

    def test_notes_what_was_sent_back_all_or_nothing(
        self, merchant: Merchant, finance: tuple[User, Client]
    ) -> None:
        _, client = finance
        transfers.bank_tells(("b1", "60.00", ""), ("b2", "40.00", ""))
        first, second = transfers.cases()

        page(click(client, "send_back", [first], confirmed="yes"))
        page(click(client, "send_back", [first, second], confirmed="yes"))
        assert [case.id for case in transfers.cases()] == [second.id]
        page(click(client, "send_back", [second], confirmed="yes"))

        assert transfers.cases() == []
        assert truth.violations() == {}

    @pytest.mark.parametrize("action", ["allocate", "send_back"])
    def test_lets_nobody_resolve_who_may_only_look(self, merchant: Merchant, action: str) -> None:
        _, client = staff("view_suspensecase")
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", ""))

        assert "Allocate to a payment" not in page(client.get(reverse(CASES)))
        cases = list(transfers.cases())
        click(client, action, cases, confirmed="yes", payment=made["id"])

        assert transfers.reasons() == ["unknown_reference"]
        assert merchant.payment(made["id"]).status == "AUTHORIZED"
