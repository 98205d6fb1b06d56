"""The books in the console: readable, searchable, and closed to every hand."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.models import LedgerAccount
from apps.ledger.tests.books import NOON, post
from apps.ledger.tests.books import reverse as reverse_posting

pytestmark = pytest.mark.django_db

PAGES = ["ledgeraccount", "ledgertransaction", "ledgerbook", "ledgerday", "ledgerhorizon"]


@pytest.fixture
def staff(client):
    client.force_login(get_user_model().objects.create_superuser("root", "root@localhost", "pw"))
    return client


@pytest.fixture
def booked(book, wallet):
    post(book, f"debit platform:bank 1234.50\n credit {wallet} 1234.50", reference="top-up 1")
    reverse_posting(book, "top-up 1")
    ledger.begin_close_day(book_id=book, day=NOON.date(), now=NOON.replace(day=11))
    return book


class TestPages:
    @pytest.mark.parametrize("page", PAGES)
    def test_lists_are_shown_and_offer_nothing_to_add(self, staff, booked, page):
        answer = staff.get(reverse(f"admin:ledger_{page}_changelist"))
        assert answer.status_code == 200
        assert staff.get(reverse(f"admin:ledger_{page}_add")).status_code == 403

    def test_a_transaction_shows_its_lines_and_what_it_reverses(self, staff, booked, wallet):
        undone = selectors.transaction_by_reference(
            book_id=booked, reference="reversal of top-up 1"
        )
        page = reverse("admin:ledger_ledgertransaction_change", args=[undone.id])
        text = staff.get(page).content.decode()

        assert "1,234.50 EUR" in text
        assert wallet in text
        assert ">top-up 1</a>" in text
        assert staff.post(page, {"kind": "x"}).status_code == 403

    def test_an_account_shows_its_balance_and_its_entries(self, staff, booked, wallet):
        account = LedgerAccount.objects.get(code=wallet)
        page = reverse("admin:ledger_ledgeraccount_change", args=[account.id])
        text = staff.get(page).content.decode()

        assert "0.00 EUR" in text
        assert ">top-up 1</a>" in text
        delete = reverse("admin:ledger_ledgeraccount_delete", args=[account.id])
        assert staff.post(delete, {"post": "yes"}).status_code == 403
        assert LedgerAccount.objects.count() == 2

    @pytest.mark.parametrize(
        ("page", "words", "found"),
        [
            ("ledgertransaction", "top-up", True),
            ("ledgertransaction", "nothing", False),
            ("ledgeraccount", "platform:", True),
            ("ledgeraccount", "bank", False),
        ],
    )
    def test_search(self, staff, booked, page, words, found):
        answer = staff.get(reverse(f"admin:ledger_{page}_changelist"), {"q": words})
        assert (answer.context["cl"].result_count > 0) is found

    def test_search_by_book(self, staff, booked):
        answer = staff.get(reverse("admin:ledger_ledgertransaction_changelist"), {"q": str(booked)})
        assert answer.context["cl"].result_count == 2
