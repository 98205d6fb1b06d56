"""The console shows that there is a customer, and not who it is."""

from __future__ import annotations

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.merchants.models import ApiKey
from apps.merchants.tests.makers import make_shop
from apps.wallets.models import Customer, PaymentMethodToken
from apps.wallets.tests.scene import make_customer, make_method

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
