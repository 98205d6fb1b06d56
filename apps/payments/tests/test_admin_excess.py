"""Excess in the console: finance decides about it after a question; support looks at it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from apps.core import ids
from apps.payments.models import Dispute, ExcessCase
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.objections import EXCESS, PAYABLE, assert_whole, only_dispute, usd
from apps.payments.tests.test_excess import exceeding
from paysys.testing.simulator import Simulator

__all__ = ["exceeding"]


def staff(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def finance() -> Client:
    return staff("fiona", "view_excesscase", "view_dispute", "resolve_excesscase")


def press(client: Client, name: str, **said: Any) -> Any:
    """Without words it is the question, with them the answer."""
    url = reverse(f"admin:payments_excesscase_{name}", args=[ExcessCase.objects.get().id])
    return client.post(url, said, follow=True) if said else client.get(url, follow=True)


def said(merchant: Merchant, **more: Any) -> dict[str, Any]:
    """What the form sends if somebody changes nothing but the reason."""
    asked = {"amount": "30.00", "currency": "USD", "seen": only_dispute(merchant).version}
    return {**asked, "reason": "their mistake", **more}


def text(answer: Any) -> str:
    assert answer.status_code == 200
    found: str = answer.content.decode()
    return found


class TestFinance:
    def test_is_asked_first_and_charges_once(
        self,
        merchant: Merchant,
        simulator: Simulator,
        finance: Client,
        exceeding: tuple[str, str],
    ) -> None:
        before, was = truth.counts(), merchant.balance(PAYABLE)
        asked = text(press(finance, "charge"))
        assert all(words in asked for words in ("$30.00", 'value="30.00"', exceeding[0], "told"))
        assert truth.counts() == before, "to look at the question decides nothing"
        form = said(merchant)

        done, again = (text(press(finance, "charge", **form)) for _ in range(2))

        assert "Charge to the merchant: $30.00." in done
        assert "Nothing of this case is left to decide." in again
        assert was - merchant.balance(PAYABLE) == usd("30.00")
        assert "charged $30.00 by fiona: their mistake" in done
        assert "Write off…" not in done, "of a closed case nothing is left to decide"
        assert_whole(merchant, simulator, exceeding[0])

    def test_who_presses_twice_for_a_part_decides_once(
        self, merchant: Merchant, finance: Client, exceeding: tuple[str, str]
    ) -> None:
        form = said(merchant, amount="10")

        done, again = (text(press(finance, "write_off", **form)) for _ in range(2))

        assert "Write off: $10.00." in done
        assert "has changed since you looked at it" in again
        assert merchant.balance(EXCESS) == usd("20.00")

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"amount": "30.01"}, "Of this case $30.00 is left."),
            ({"amount": "0"}, "Of this case $30.00 is left."),
            ({"amount": "1.005"}, "USD has 2 decimals."),
            ({"amount": "-1"}, "greater than or equal to 0"),
            ({"amount": "NaN"}, "Enter a number."),
            ({"amount": ""}, "This field is required."),
            ({"currency": "EUR"}, "Select a valid choice."),
            ({"reason": " "}, "This field is required."),
            ({"reason": "x" * 201}, "at most 200 characters"),
            ({"seen": "x"}, "whole number"),
        ],
    )
    def test_is_told_what_does_not_fit(
        self,
        merchant: Merchant,
        finance: Client,
        exceeding: tuple[str, str],
        wrong: dict[str, str],
        words: str,
    ) -> None:
        before = truth.counts()
        assert words in text(press(finance, "charge", **said(merchant, **wrong)))
        assert truth.counts() == before

    def test_sees_whose_cases_are_open(
        self, merchant: Merchant, finance: Client, exceeding: tuple[str, str]
    ) -> None:
        listed = text(finance.get(reverse("admin:payments_excesscase_changelist")))
        dispute = only_dispute(merchant)
        for words in ("Open", "$30.00", ids.encode("dp", dispute.id)):
            assert words in listed
        page = reverse("admin:payments_dispute_change", args=[dispute.id])
        assert "We carry" in text(finance.get(page))
        unknown = reverse("admin:payments_excesscase_charge", args=["nothing"])
        assert finance.get(unknown).status_code == 404
        unknown = reverse("admin:payments_excesscase_change", args=["nothing"])
        assert finance.get(unknown).status_code == 302, "as everywhere in the console"


def test_support_looks_and_decides_nothing(merchant: Merchant, exceeding: tuple[str, str]) -> None:
    support = staff("sam", "view_excesscase", "answer_dispute")
    before = truth.counts()
    case = ExcessCase.objects.get()
    shown = text(support.get(reverse("admin:payments_excesscase_change", args=[case.id])))
    assert "$30.00" in shown
    assert "Charge to the merchant…" not in shown

    for name in ("charge", "write_off"):
        assert press(support, name).status_code == 403
        assert press(support, name, **said(merchant)).status_code == 403

    assert truth.counts() == before
    assert Dispute.objects.get().merchant_charged == 0
