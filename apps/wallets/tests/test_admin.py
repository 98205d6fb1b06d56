"""The console shows that there is a customer, and not who it is."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.core import ids
from apps.merchants import selectors
from apps.merchants.models import ApiKey
from apps.merchants.tests.makers import make_shop
from apps.wallets.models import Customer, PaymentMethodToken
from apps.wallets.tests.scene import (
    capture,
    make_customer,
    make_hold,
    make_method,
    make_wallet,
    usd,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(client):
    client.force_login(get_user_model().objects.create_superuser("boss", password="boss"))

    def read(model: str, key: object) -> str:
        answer = client.get(reverse(f"admin:{model}_change", args=[quote(str(key))]))
        assert answer.status_code == 200
        return answer.content.decode()

    return read


def test_customer_is_an_id_there(page):
    customer = make_customer(make_shop(), name="Ada Lovelace")
    shown = page("wallets_customer", customer)

    assert "Ada" not in shown
    assert Customer.objects.get().name_encrypted not in shown


def test_payment_method_and_its_token_are_shown_without_the_token(page):
    method = make_method(make_shop(), token="pm_secret")

    assert "pm_secret" not in page("wallets_paymentmethod", method)
    assert "pm_secret" not in page(
        "wallets_paymentmethodtoken", PaymentMethodToken.objects.get().id
    )


def test_api_key_is_shown_by_its_prefix(page):
    shop = make_shop()
    key = ApiKey.objects.get()
    shown = page("merchants_apikey", key.prefix)

    assert key.prefix in shown
    assert shop.api_key not in shown
    assert bytes(key.digest).hex() not in shown


def test_wallet_shows_what_it_holds_and_whose_it_is(page, client):
    shop = make_shop()
    wallet = make_wallet(shop, holding=123_456)
    make_hold(shop, wallet, 500)
    shown = page("wallets_wallet", wallet)

    listed = client.get(reverse("admin:wallets_wallet_changelist")).content.decode()
    assert "$1,229.56" in shown
    assert "$1,229.56" in listed
    assert "Active" in listed
    assert selectors.name_of(shop.book_id) in listed
    assert str(shop.book_id) not in listed
    assert "$5.00" in shown
    assert "Save" not in shown


def test_hold_shows_what_was_taken_of_it(page, client):
    shop = make_shop()
    wallet = make_wallet(shop, holding=1_000)
    hold = make_hold(shop, wallet, 500)
    capture(shop, wallet, hold, usd(120))
    shown = page("wallets_hold", hold)

    assert "$5.00" in shown
    assert "$1.20" in shown
    assert "Captured" in shown
    assert ids.encode("hold", hold) in shown
    for model in ("wallets_wallet", "wallets_hold"):
        nothing = client.get(reverse(f"admin:{model}_changelist"), {"q": "no id"})
        assert (nothing.status_code, "0 results" in nothing.content.decode()) == (200, True)
        listed = client.get(reverse(f"admin:{model}_changelist"), {"q": str(wallet)})
        assert ids.encode("wallet", wallet) in listed.content.decode()
