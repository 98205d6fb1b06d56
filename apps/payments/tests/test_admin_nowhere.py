"""Money that came back and has nowhere to go, in the console: finance says where, once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.payments.models import Payment, Payout
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.purses import set_status, wallet
from apps.payments.tests.test_admin_excess import staff, text
from apps.payments.tests.test_bank_transfers import stuck
from apps.payments.tests.test_crash import crediting_is_refused
from apps.payments.tests.test_withdrawals import owner_of, withdraw
from apps.payments.tests.threads import at_once
from apps.payments.tests.tills import bank, end
from apps.sagas import services as sagas
from paysys.testing.simulator import Simulator

__all__ = ["crediting_is_refused"]


@pytest.fixture
def finance() -> Client:
    return staff("fiona", "view_payout", "redirect_payout", "view_payment", "send_back_payment")


def come_back(merchant: Merchant, simulator: Simulator) -> Payout:
    """A withdrawal that the bank sends back, and whose wallet is closed."""
    purse = wallet(merchant, 10_000)
    bank(merchant, customer_id=owner_of(purse))
    public_id = withdraw(merchant, purse, 10_000).json()["id"]
    set_status(purse, "CLOSED")
    end(simulator, merchant, public_id, "return")
    truth.finish_everything()
    return Payout.objects.get()


def press(client: Client, name: str, row: Any, **said: str) -> Any:
    url = reverse(f"admin:payments_{name}", args=[row.id])
    return client.post(url, said, follow=True) if said else client.get(url, follow=True)


def test_a_withdrawal_is_given_to_the_merchant_once(
    merchant: Merchant, simulator: Simulator, finance: Client
) -> None:
    payout = come_back(merchant, simulator)
    assert "Give to the merchant…" in text(press(finance, "payout_change", payout))
    before = truth.counts()
    asked = text(press(finance, "payout_give_to_merchant", payout))
    assert "$100.00" in asked
    assert "required" in text(press(finance, "payout_give_to_merchant", payout, reason=" "))
    assert truth.counts() == before

    done, again = (
        text(press(finance, "payout_give_to_merchant", payout, reason="told them"))
        for _ in range(2)
    )
    truth.finish_everything()

    assert "It is the merchant&#x27;s." in done
    assert "somebody was first" in again
    assert "redirected by fiona: told them" in done
    assert "Give to the merchant…" not in done
    assert Payout.objects.get().status == "RETURNED"
    truth.assert_nothing_is_left_over()


@pytest.mark.usefixtures("crediting_is_refused")
def test_a_transfer_that_was_sent_back_is_noted_once(merchant: Merchant, finance: Client) -> None:
    stuck(merchant)
    payment = Payment.objects.get()
    assert "Was sent back…" in text(press(finance, "payment_change", payment))

    done, again = (
        text(press(finance, "payment_send_back", payment, reason="by hand")) for _ in range(2)
    )
    truth.finish_everything()

    assert "Noted as sent back." in done
    assert "somebody was first" in again
    assert "sent back by fiona: by hand" in done
    assert Payment.objects.get().status == "REFUNDED"
    truth.assert_nothing_is_left_over()


@pytest.mark.usefixtures("crediting_is_refused")
def test_a_run_that_a_colleague_lets_go_on_meanwhile_leaves_the_transfer_as_it_is(
    merchant: Merchant, finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck(merchant)
    payment = Payment.objects.get()
    retry = sagas.retry

    def colleague(**facts: Any) -> None:
        with transaction.atomic():
            retry(**facts)

    def overtaken(**facts: Any) -> None:
        at_once([lambda: colleague(**facts)])
        retry(**facts)

    monkeypatch.setattr(sagas, "retry", overtaken)

    said = text(press(finance, "payment_send_back", payment, reason="by hand"))

    assert "It has changed: look again." in said
    assert "Noted as sent back." not in said
    assert not AuditEntry.objects.filter(action="payment.sent_back").exists()
    assert Payment.objects.get().version == payment.version


def test_support_sees_no_button_and_presses_none(merchant: Merchant, simulator: Simulator) -> None:
    payout = come_back(merchant, simulator)
    support = staff("sam", "view_payout", "view_payment", "answer_dispute")
    assert "Give to the merchant…" not in text(press(support, "payout_change", payout))
    before = truth.counts()

    assert press(support, "payout_give_to_merchant", payout).status_code == 403
    assert press(support, "payout_give_to_merchant", payout, reason="x").status_code == 403

    assert truth.counts() == before
