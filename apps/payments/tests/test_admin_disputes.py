"""Disputes in the console: what is due is said in words, and both answers are asked about first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core import clock, db, ids
from apps.payments.admin.disputes import due_in_words
from apps.payments.models import Dispute, DisputeLine, ExcessCase
from apps.payments.services import disputes
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import hear, only_dispute, open_dispute
from apps.payments.tests.test_admin_payouts import console, page
from apps.payments.tests.test_dispute_answers import answer
from apps.payments.tests.test_dispute_files import PDF, given, name_them
from paysys.testing.simulator import Simulator

__all__ = ["console"]


@pytest.fixture
def dispute(merchant: Merchant, simulator: Simulator) -> Dispute:
    """One that exceeds the budget, whose line is booked and whose answer is kept."""
    payment_id = merchant.captured(10_000)
    merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 3_000})
    open_dispute(simulator, payment_id)
    hear(simulator)
    truth.book_statement()
    finish_runs()
    found = only_dispute(merchant)
    answer(merchant, ids.encode("dp", found.id), submit=False, uncategorized_text="Secret words")
    return only_dispute(merchant)


def press(console: Client, name: str, dispute: Dispute, *, method: str = "post") -> Any:
    url = reverse(f"admin:payments_dispute_{name}", args=[dispute.id])
    return getattr(console, method)(url, follow=True)


def test_the_page_says_what_is_due_and_what_is_kept(console: Client, dispute: Dispute) -> None:
    for text in (
        page(console, "payments_dispute_changelist"),
        page(console, "payments_dispute_change", dispute.id),
    ):
        assert "in 6 days" in text
        assert "$100.00" in text
        assert ids.encode("pay", dispute.payment_id) in text
        assert "Secret words" not in text
        assert "Save" not in text
    assert "uncategorized_text" in page(console, "payments_dispute_change", dispute.id)


@pytest.mark.parametrize("model", [DisputeLine, ExcessCase])
def test_lines_and_cases_are_to_be_seen(console: Client, dispute: Dispute, model: Any) -> None:
    name = f"payments_{model._meta.model_name}"
    [row] = model.objects.all()
    assert page(console, f"{name}_changelist")
    assert "Save" not in page(console, f"{name}_change", row.pk)


@pytest.mark.parametrize(
    ("name", "event", "status"),
    [
        ("submit_evidence", "dispute.evidence_submitted", "UNDER_REVIEW"),
        ("give_up", "dispute.accept_requested", "LOST"),
    ],
)
def test_an_order_is_asked_about_and_given_once(
    console: Client, dispute: Dispute, name: str, event: str, status: str
) -> None:
    before = truth.counts()
    assert "once" in press(console, name, dispute, method="get").content.decode() or (
        name == "give_up"
    )
    assert truth.counts() == before, "to look at the question orders nothing"

    told = [press(console, name, dispute).content.decode() for _ in range(2)]
    finish_runs()

    assert "It is on its way." in told[0]
    assert "already" in told[1] or "closed" in told[1]
    assert Dispute.objects.get().status == status
    entry = AuditEntry.objects.get(action=event)
    assert entry.actor.startswith("staff:")
    truth.assert_nothing_is_left_over()


@pytest.mark.parametrize("name", ["submit_evidence", "give_up"])
def test_an_order_about_what_has_changed_meanwhile_asks_to_look_again(
    console: Client, dispute: Dispute, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(_dispute: Dispute, **_: Any) -> None:
        raise db.GuardFailed("sagas: there is a newer run")

    monkeypatch.setattr(disputes, "carry_out", overtaken)
    before = truth.counts()

    said = press(console, name, dispute).content.decode()

    assert "It has changed: look again." in said
    assert "It is on its way." not in said
    assert truth.counts() == before
    assert Dispute.objects.get().version == dispute.version


def test_nobody_without_the_right_orders_anything(dispute: Dispute) -> None:
    clerk = Client()
    clerk.force_login(get_user_model().objects.create_user("clerk", password="x", is_staff=True))
    before = truth.counts()

    for name in ("submit_evidence", "give_up"):
        assert press(clerk, name, dispute).status_code == 403

    assert truth.counts() == before


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=6, hours=5), "in 6 days"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(minutes=90), "in 90 minutes"),
        (timedelta(hours=-3), "3 hours ago"),
    ],
)
def test_a_day_is_said_as_one_says_it(left: timedelta, words: str) -> None:
    now = clock.now()
    assert due_in_words(now + left, now) == words


class TestFiles:
    @pytest.fixture
    def file_id(self, merchant: Merchant, dispute: Dispute) -> str:
        dispute_id = ids.encode("dp", dispute.id)
        file_id = given(merchant, dispute_id, PDF, "<b>proof.pdf")
        name_them(merchant, dispute_id, receipt=file_id)
        return file_id

    def url(self, dispute: Dispute, file_id: str) -> str:
        args = [dispute.id, ids.decode("file", file_id)]
        return reverse("admin:payments_dispute_file", args=args)

    def test_are_shown_with_what_they_show_and_whether_they_were_sent(
        self, console: Client, merchant: Merchant, dispute: Dispute, file_id: str
    ) -> None:
        text = page(console, "payments_dispute_change", dispute.id)
        for words in ("b-proof.pdf", "application/pdf, receipt, staged"):
            assert words in text
        assert self.url(dispute, file_id) in text

        press(console, "submit_evidence", dispute)
        finish_runs()

        assert "sent 20" in page(console, "payments_dispute_change", dispute.id)

    def test_are_downloaded_to_be_kept_and_it_is_in_the_trail(
        self, console: Client, dispute: Dispute, file_id: str
    ) -> None:
        answer = console.get(self.url(dispute, file_id))

        assert answer.content == PDF
        assert answer.headers["Content-Disposition"] == 'attachment; filename="b-proof.pdf"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/pdf"
        entry = AuditEntry.objects.get(action="dispute_file.downloaded")
        assert entry.actor.startswith("staff:")
        truth.assert_nothing_is_left_over()

    def test_are_downloaded_by_nobody_without_the_right(
        self, dispute: Dispute, file_id: str
    ) -> None:
        clerk = Client()
        staff = get_user_model().objects.create_user("clerk", password="x", is_staff=True)
        staff.user_permissions.add(Permission.objects.get(codename="view_dispute"))
        clerk.force_login(staff)
        before = truth.counts()

        assert clerk.get(self.url(dispute, file_id)).status_code == 403
        assert Client().get(self.url(dispute, file_id)).status_code == 302

        assert truth.counts()["audit_entry"] == before["audit_entry"]

    def test_of_another_dispute_are_not_there(self, console: Client, dispute: Dispute) -> None:
        missing = ids.encode("file", ids.new_id())
        assert console.get(self.url(dispute, missing)).status_code == 404
