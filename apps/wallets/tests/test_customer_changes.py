"""Customers that change, methods that are taken away, and tokens of several providers."""

from __future__ import annotations

import pytest

from apps.audit import selectors as audit
from apps.core import clock, ids
from apps.idempotency.models import IdempotencyKey
from apps.ledger.tests.books import at_once
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services
from apps.wallets.models import Customer, PaymentMethod, PaymentMethodToken
from apps.wallets.tests.scene import assert_books_hold, error_of, make_customer, make_method

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = "/v1/payment_methods"


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def ada(shop):
    return make_customer(shop, name="Ada", email="ada@example.org", metadata={"order": "7"})


def cus(customer) -> str:
    return f"/v1/customers/{ids.encode('cus', customer)}"


def card(method) -> str:
    return ids.encode("card", method)


def erase(shop, customer) -> None:
    services.erase_customer(
        book_id=shop.book_id, customer_id=customer, actor="system", now=clock.now()
    )


def actions_on(shop, subject) -> list[str]:
    trail = audit.list_entries(book_id=shop.book_id, subject_id=subject)
    return [entry.action for entry in trail]


class TestChanging:
    def test_what_is_given_is_changed_and_the_rest_stays(self, shop, ada):
        shown = shop.post(cus(ada), {"name": "Augusta", "metadata": {"tier": "gold"}}).json()

        assert (shown["name"], shown["email"]) == ("Augusta", "ada@example.org")
        assert shown["metadata"] == {"tier": "gold"}
        assert shop.get(cus(ada)).json() == shown
        assert actions_on(shop, ada) == ["customer.created", "customer.updated"]
        (entry,) = audit.list_entries(book_id=shop.book_id, subject_id=ada)[1:]
        assert entry.facts == {"fields": ["metadata", "name"]}

    def test_null_takes_away(self, shop, ada):
        shown = shop.post(cus(ada), {"name": None, "email": None}).json()
        assert (shown["name"], shown["email"], shown["metadata"]) == (None, None, {"order": "7"})
        assert Customer.objects.get().name_encrypted is None

    def test_nothing_changes_nothing(self, shop, ada):
        assert shop.post(cus(ada), {}).json() == shop.get(cus(ada)).json()
        assert actions_on(shop, ada) == ["customer.created"]

    def test_repeat_is_answered_with_the_same_bytes(self, shop, ada):
        first = shop.post(cus(ada), {"name": "Augusta"}, key="k")
        shop.post(cus(ada), {"name": "Byron"})
        second = shop.post(cus(ada), {"name": "Augusta"}, key="k")

        assert second.content == first.content
        assert Customer.objects.get().name == "Byron"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"name": 7}, "name"),
            ({"email": "nobody"}, "email"),
            ({"metadata": None}, "metadata"),
            ({"metadata": {"a": 1}}, "metadata[a]"),
            ({"default_payment_method": 7}, "default_payment_method"),
            ({"nickname": "A"}, "nickname"),
        ],
    )
    def test_wrong_fields_are_400_and_change_nothing(self, shop, ada, body, param):
        answer = shop.post(cus(ada), {"name": "B", **body})
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)
        assert Customer.objects.get().name == "Ada"

    def test_another_merchants_customer_is_404(self, shop):
        theirs = make_customer(make_shop(), name="Ada")
        for answer in (shop.post(cus(theirs), {"name": "B"}), shop.delete(cus(theirs))):
            assert answer.status_code == 404
        assert Customer.objects.get().name == "Ada"

    def test_erased_customer_is_409(self, shop, ada):
        erase(shop, ada)
        answer = shop.post(cus(ada), {"name": "Ada"})
        assert (answer.status_code, error_of(answer)["code"]) == (409, "customer_erased")
        assert Customer.objects.get().name is None


class TestDefault:
    def test_is_one_of_theirs(self, shop, ada):
        method = make_method(shop, ada)
        shown = shop.post(cus(ada), {"default_payment_method": card(method)}).json()
        assert shown["default_payment_method"] == card(method)
        assert shop.get("/v1/customers").json()["data"][0] == shown

        gone = shop.post(cus(ada), {"default_payment_method": None}).json()
        assert gone["default_payment_method"] is None
        assert_books_hold()

    def test_is_not_anybody_elses(self, shop, ada):
        others = [make_method(shop), make_method(shop, make_customer(shop))]
        others.append(make_method(make_shop()))
        for named in (*map(card, others), "card_1", "pay_1", ids.encode("bank", others[0])):
            answer = shop.post(cus(ada), {"default_payment_method": named, "name": "B"})
            assert answer.status_code == 404
            assert error_of(answer)["param"] == "default_payment_method"
        assert Customer.objects.get(id=ada).name == "Ada"

    def test_is_not_one_that_was_detached(self, shop, ada):
        method = make_method(shop, ada)
        shop.post(f"{METHODS}/{card(method)}/detach")
        answer = shop.post(cus(ada), {"default_payment_method": card(method)})
        assert (answer.status_code, error_of(answer)["code"]) == (409, "payment_method_detached")

    def test_is_none_once_it_is_detached(self, shop, ada):
        method = make_method(shop, ada)
        shop.post(cus(ada), {"default_payment_method": card(method)})
        shop.post(f"{METHODS}/{card(method)}/detach")
        assert shop.get(cus(ada)).json()["default_payment_method"] is None
        assert_books_hold()

    def test_set_and_detached_at_once_is_none(self, shop, ada):
        for _ in range(10):
            method = make_method(shop, ada)
            at_once(
                [
                    lambda m=method: shop.post(cus(ada), {"default_payment_method": card(m)}),
                    lambda m=method: shop.post(f"{METHODS}/{card(m)}/detach"),
                ]
            )
            assert shop.get(cus(ada)).json()["default_payment_method"] is None
        assert_books_hold()


class TestDetaching:
    def test_nobody_can_charge_it_any_more(self, shop, ada):
        method = make_method(shop, ada)
        answer = shop.post(f"{METHODS}/{card(method)}/detach", key="k")
        shown = answer.json()

        assert answer.status_code == 200
        assert (shown["customer"], shown["providers"]) == (None, [])
        assert shown["detached_at"] is not None
        stored = selectors.get_payment_method(book_id=shop.book_id, id=method)
        assert stored.tokens.get("stripe") is None
        assert shop.get(f"{METHODS}/{card(method)}").json() == shown
        assert actions_on(shop, method) == ["payment_method.stored", "payment_method.detached"]
        assert_books_hold()

    def test_twice_is_once(self, shop, ada):
        method = make_method(shop, ada)
        first, second = (shop.post(f"{METHODS}/{card(method)}/detach") for _ in range(2))
        assert second.json() == first.json()
        assert len(actions_on(shop, method)) == 2

    def test_it_is_no_longer_among_the_customers(self, shop, ada):
        kept, gone = make_method(shop, ada, "pm_a"), make_method(shop, ada, "pm_b")
        shop.post(f"{METHODS}/{card(gone)}/detach")
        listed = shop.get(METHODS, customer=ids.encode("cus", ada)).json()["data"]
        assert [one["id"] for one in listed] == [card(kept)]

    def test_the_same_token_can_be_stored_anew(self, shop, ada):
        method = make_method(shop, ada)
        shop.post(f"{METHODS}/{card(method)}/detach")
        assert make_method(shop, ada) != method

    def test_a_method_of_nobodys_is_detached_too(self, shop):
        method = make_method(shop)
        assert shop.post(f"{METHODS}/{card(method)}/detach").status_code == 200
        assert not PaymentMethodToken.objects.exists()
        assert_books_hold()

    def test_its_look_is_forgotten_with_the_customer(self, shop, ada):
        method = make_method(shop, ada)
        PaymentMethod.objects.update(brand="visa", last4="4242")
        shop.post(f"{METHODS}/{card(method)}/detach")
        erase(shop, ada)
        row = PaymentMethod.objects.get()
        assert (row.brand, row.last4) == (None, None)
        assert_books_hold()

    def test_another_merchants_method_is_404(self, shop):
        theirs = make_method(make_shop())
        assert shop.post(f"{METHODS}/{card(theirs)}/detach").status_code == 404
        wrong_kind = ids.encode("bank", make_method(shop))
        assert shop.post(f"{METHODS}/{wrong_kind}/detach").status_code == 404
        assert PaymentMethodToken.objects.count() == 2


class TestTokens:
    def add(self, shop, method, provider="paypal", token="8kk8451t", key=None):
        body = {"provider": provider, "provider_token": token}
        return shop.post(f"{METHODS}/{card(method)}/tokens", body, key=key)

    def test_several_providers_know_one_method(self, shop, ada):
        method = make_method(shop, ada)
        answer = self.add(shop, method)

        assert answer.status_code == 200
        assert answer.json()["providers"] == ["paypal", "stripe"]
        assert "8kk8451t" not in answer.content.decode()
        stored = selectors.get_payment_method(book_id=shop.book_id, id=method)
        assert stored.tokens.get("paypal") == "8kk8451t"
        assert actions_on(shop, method)[1:] == ["payment_method.token_added"]
        assert_books_hold()

    def test_the_same_again_changes_nothing(self, shop, ada):
        method = make_method(shop, ada)
        first, second = (self.add(shop, method) for _ in range(2))
        assert second.json() == first.json()
        assert len(actions_on(shop, method)) == 2

    def test_another_of_the_same_provider_is_409(self, shop, ada):
        method = make_method(shop, ada)
        answer = self.add(shop, method, "stripe", "pm_other")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "provider_token_exists")
        assert PaymentMethodToken.objects.get().token == "pm_card_visa"

    def test_one_of_another_method_is_409_with_it(self, shop, ada):
        first, second = make_method(shop, ada, "pm_a"), make_method(shop, ada, "pm_b")
        self.add(shop, first)
        answer = self.add(shop, second)

        assert (answer.status_code, error_of(answer)["code"]) == (409, "provider_token_in_use")
        assert error_of(answer)["payment_method"] == card(first)

    def test_of_two_methods_at_once_one_gets_it(self, shop, ada):
        methods = [make_method(shop, ada, token) for token in ("pm_a", "pm_b")]
        answers = at_once([lambda m=m: self.add(shop, m) for m in methods])
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert_books_hold()

    @pytest.mark.parametrize("state", ["detached", "erased"])
    def test_nothing_is_stored_for_what_is_over(self, shop, ada, state):
        method = make_method(shop, ada)
        if state == "detached":
            shop.post(f"{METHODS}/{card(method)}/detach")
        else:
            erase(shop, ada)
        answer = self.add(shop, method)

        code = {"detached": "payment_method_detached", "erased": "customer_erased"}[state]
        assert (answer.status_code, error_of(answer)["code"]) == (409, code)
        assert not PaymentMethodToken.objects.exists()

    @pytest.mark.parametrize(
        ("provider", "token", "status"),
        [
            ("nobody", "abc", 400),
            ("instant", "abc", 400),
            (7, "abc", 400),
            (None, "abc", 400),
            ("paypal", "", 400),
            ("paypal", 7, 400),
            ("paypal", "a b", 400),
            ("paypal", "a" * 256, 400),
            ("paypal", "4242424242424242", 422),
            ("paypal", "tok_4242424242424242", 422),
        ],
    )
    def test_what_is_no_token_is_refused(self, shop, ada, provider, token, status):
        method = make_method(shop, ada)
        answer = self.add(shop, method, provider, token, key="k")
        assert answer.status_code == status
        assert PaymentMethodToken.objects.count() == 1
        assert not IdempotencyKey.objects.exists()
