"""Which provider takes a payment: decided as it is accepted, by rules and by who has a token."""

from __future__ import annotations

import time
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.core import clock, ids
from apps.core.money import Money
from apps.gateways import services as gateways
from apps.gateways.models import ProviderCall, RoutingRule
from apps.gateways.services import PositionTaken
from apps.gateways.types import Rule
from apps.payments.tests import purses, truth
from apps.payments.tests.cards import saved_card, stripe_refuses
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.threads import at_once
from paysys.testing.paypal import PayPalSimulator
from paysys.testing.simulator import Simulator


def set_rule(*split: tuple[str, int], position: int = 10, **facts: Any) -> None:
    rule = Rule(id=ids.new_id(), position=position, name="of a test", split=split, **facts)
    gateways.set_rule(rule=rule, actor="system", now=clock.now())


def provider_of(merchant: Merchant, source: str, amount: int = 10_000, **more: Any) -> str:
    answer = merchant.pay(amount, source, **more)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["provider"])


class TestTwoStaffAtTheSameMoment:
    def test_take_one_position_once_and_the_second_is_told(
        self, merchant: Merchant, admin_client: Client
    ) -> None:
        """The second asks while the first one's rule is set, and not committed yet."""
        asked = Event()

        def set_first() -> None:
            with transaction.atomic():
                set_rule(("stripe", 100))
                asked.set()
                wait_for_a_lock()

        def ask_second() -> Any:
            assert asked.wait(timeout=20)
            return admin_client.post(reverse("admin:gateways_routingrule_add"), FORM)

        _, answer = at_once([set_first, ask_second])

        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors == {
            "position": ["Another rule stands at 10."]
        }
        assert RoutingRule.objects.count() == 1
        assert AuditEntry.objects.filter(action__startswith="routing_rule.").count() == 1

    @pytest.mark.parametrize("page", ["change", "delete"])
    def test_do_not_bring_back_what_one_of_them_removes(
        self, merchant: Merchant, admin_client: Client, page: str
    ) -> None:
        """The second asks while the first one's removal is made, and not committed yet."""
        set_rule(("stripe", 100))
        rule_id = RoutingRule.objects.get().id
        asked = Event()

        def remove_first() -> None:
            with transaction.atomic():
                gateways.remove_rule(rule_id=rule_id, actor="system", now=clock.now())
                asked.set()
                wait_for_a_lock()

        def ask_second() -> Any:
            assert asked.wait(timeout=20)
            url = reverse(f"admin:gateways_routingrule_{page}", args=[rule_id])
            return admin_client.post(url, {**FORM, "post": "yes"}, follow=True)

        _, answer = at_once([remove_first, ask_second])

        assert answer.status_code == 200
        assert "It is not there any more" in answer.content.decode()
        assert not RoutingRule.objects.exists()
        trail = AuditEntry.objects.filter(subject_id=rule_id).order_by("id")
        assert [entry.action for entry in trail] == ["routing_rule.added", "routing_rule.removed"]

    def test_is_a_clear_refusal_of_the_service_too(self, merchant: Merchant) -> None:
        def ask() -> str:
            try:
                set_rule(("stripe", 100))
            except PositionTaken as error:
                return error.message
            return ""

        assert sorted(at_once([ask] * 4)) == ["", *["Another rule stands at 10."] * 3]


FORM = {
    **dict.fromkeys(("merchant", "amount_from", "amount_to"), ""),
    **dict.fromkeys(("method", "currency", "country"), "*"),
    "position": "10",
    "name": "the second",
    "split": "stripe 100",
}


def wait_for_a_lock() -> None:
    """Until somebody waits for what this transaction holds."""
    end = time.monotonic() + 20
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.usefixtures("paypal")
class TestARule:
    def test_sends_a_payment_to_another_provider_whole(
        self, merchant: Merchant, simulator: Simulator, paypal: PayPalSimulator
    ) -> None:
        set_rule(("paypal", 100), method="card", currency="USD")
        answer = merchant.pay(10_000, saved_card(merchant)).json()
        finish_runs()

        assert (answer["status"], answer["provider"]) == ("AUTHORIZED", "paypal")
        assert merchant.payment(answer["id"]).status == "CAPTURED"
        assert paypal.effects(answer["id"])["captures"] == 1
        assert simulator.book() == []
        assert merchant.balance("provider:paypal:clearing") == Money("100.00", "USD")
        assert {call.provider for call in ProviderCall.objects.all()} == {"paypal"}
        truth.assert_nothing_is_left_over()

    def test_and_why_it_decided_is_kept_with_the_payment_and_in_the_trail(
        self, merchant: Merchant
    ) -> None:
        set_rule(("paypal", 100), ("stripe", 0), position=20)

        payment = merchant.payment(merchant.pay(10_000, saved_card(merchant)).json()["id"])

        assert payment.route["provider"] == payment.provider == "paypal"
        assert payment.route["alternatives"] == ["stripe"]
        assert payment.route["reasons"][0] == "rule 20 “of a test” fits"
        created = AuditEntry.objects.get(subject_id=payment.id, action="payment.created")
        assert (created.facts["provider"], created.facts["rule"]) == (
            *("paypal", "rule 20 “of a test”"),
        )

    def test_does_not_send_a_payment_where_the_customer_is_not_known(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        set_rule(("paypal", 100))

        assert provider_of(merchant, saved_card(merchant, at_paypal="")) == "stripe"
        assert provider_of(merchant, "pm_card_visa") == "stripe"
        assert len(simulator.book()) == 2

    def test_is_told_to_staff_in_words(
        self, merchant: Merchant, admin_client: Client, simulator: Simulator
    ) -> None:
        set_rule(("stripe", 100), ("paypal", 0))
        with stripe_refuses(simulator):
            payment_id = merchant.pay(10_000, saved_card(merchant)).json()["id"]

        page = reverse("admin:payments_payment_change", args=[merchant.payment(payment_id).id])
        shown = admin_client.get(page).content.decode()

        assert "rule 10 “of a test” fits<br>" in shown
        assert "<br>then from stripe to paypal at " in shown

    def test_for_amounts_looks_at_what_the_card_pays_and_not_the_wallet(
        self, merchant: Merchant
    ) -> None:
        set_rule(("paypal", 100), currency="USD", amount_to=Decimal(40))
        purse, card = purses.wallet(merchant, 10_000), saved_card(merchant)

        assert provider_of(merchant, card, 10_000) == "stripe"
        assert provider_of(merchant, card, 10_000, wallet=purse, wallet_amount=6_000) == "paypal"

    def test_for_a_country_knows_the_card_by_its_first_payment(self, merchant: Merchant) -> None:
        set_rule(("paypal", 100), country="US")
        card = saved_card(merchant)

        assert provider_of(merchant, card) == "stripe"
        assert provider_of(merchant, card) == "paypal"

    def test_for_a_merchant_is_not_another_merchants(
        self, merchant: Merchant, other_merchant: Merchant
    ) -> None:
        set_rule(("paypal", 100), merchant_id=merchant.book_id)

        assert provider_of(merchant, saved_card(merchant)) == "paypal"
        assert provider_of(other_merchant, saved_card(other_merchant)) == "stripe"

    def test_that_splits_decides_a_repeated_request_the_same_way(self, merchant: Merchant) -> None:
        set_rule(("paypal", 50), ("stripe", 50))
        card = saved_card(merchant)
        body = {"amount": 10_000, "currency": "USD", "source": card}

        for key in map(str, range(6)):
            first = merchant.post("/v1/payments", body, key=key).json()
            again = merchant.post("/v1/payments", body, key=key).json()
            assert (again["id"], again["provider"]) == (first["id"], first["provider"])

    def test_is_not_asked_about_an_amount_that_its_provider_cannot_say(
        self, merchant: Merchant
    ) -> None:
        set_rule(("paypal", 100))
        card = saved_card(merchant)

        assert provider_of(merchant, card, 150_050, currency="HUF") == "stripe"
