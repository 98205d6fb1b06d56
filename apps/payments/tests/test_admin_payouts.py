"""Payouts, balances and bank accounts in the console: all that finance looks at, and no number."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from apps.core import clock, ids
from apps.merchants.models import BankAccount, PayoutTerms
from apps.payments import services
from apps.payments.models import BalanceTransaction, Payout, PayoutItem, Release, Reserve
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.purses import wallet
from apps.payments.tests.test_withdrawals import owner_of, withdraw
from apps.payments.tests.tills import ARRIVES, agree, bank, paid_out
from paysys.testing.simulator import Simulator

PAGES = (BalanceTransaction, BankAccount, Payout, PayoutItem, PayoutTerms, Release, Reserve)


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss", password="boss"))
    return client


@pytest.fixture
def paying(merchant: Merchant, simulator: Simulator) -> Merchant:
    """With a reserve, a payout and a withdrawal."""
    agree(merchant, reserve_basis_points=1_000, reserve_days=30)
    merchant.captured(10_000)
    services.release(now=clock.now())
    bank(merchant)
    paid_out(merchant, 5_000)
    purse = wallet(merchant, 10_000)
    bank(merchant, customer_id=owner_of(purse))
    withdraw(merchant, purse, 4_000)
    return merchant


def page(console: Client, address: str, *args: Any, **query: str) -> str:
    answer = console.get(reverse(f"admin:{address}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("model", PAGES)
def test_every_page_shows_what_there_is_and_no_number(
    console: Client, paying: Merchant, model: Any
) -> None:
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    written = [page(console, f"{name}_changelist")]
    for row in model.objects.all():
        written.append(page(console, f"{name}_change", row.pk))
    assert len(written) > 1
    for text in written:
        assert ARRIVES not in text
        assert "encrypted" not in text
        assert "Save" not in text


def test_payout_names_its_account_and_its_wallet(console: Client, paying: Merchant) -> None:
    withdrawal = Payout.objects.exclude(wallet_id=None).get()
    text = page(console, "payments_payout_change", withdrawal.id)

    assert "$40.00" in text
    assert ids.encode("wallet", withdrawal.wallet_id) in text
    assert ids.encode("ba", withdrawal.bank_account_id) in text


def test_bank_account_is_shown_by_its_last_four(console: Client, paying: Merchant) -> None:
    assert f"USD …{ARRIVES[-4:]}" in page(console, "merchants_bankaccount_changelist")


def test_what_was_released_kept_and_paid_out_is_to_be_seen(
    console: Client, paying: Merchant
) -> None:
    assert "$97.00" in page(console, "payments_release_changelist")
    assert "$9.70" in page(console, "payments_reserve_changelist")
    payout = Payout.objects.get(wallet_id=None)
    found = page(console, "payments_payoutitem_changelist", q=ids.encode("po", payout.id))
    assert "$50.00" in found


@pytest.mark.parametrize("model", ["payout", "payoutitem", "balancetransaction"])
def test_a_list_asks_once_whatever_its_length(
    console: Client, paying: Merchant, model: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        paid_out(paying, 500)
    with django_assert_max_num_queries(9):
        page(console, f"payments_{model}_changelist")
