"""A payment by bank transfer: asked for, awaited, and the customer's when the money has come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from stdnum import iso11649

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import DomainError
from apps.core.money import Money
from apps.ledger import selectors as ledger
from apps.ledger.chart import PLATFORM_BOOK
from apps.ledger.models import LedgerTransaction
from apps.payments.models import BankReceipt
from apps.payments.services import redirecting
from apps.payments.tests import purses, transfers, truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.test_crash import crediting_is_refused  # noqa: F401 - a fixture
from apps.sagas import services as engine


def usd(amount: str) -> Money:
    return Money(amount, "USD")


def in_suspense(merchant: Merchant) -> tuple[Money, Money]:
    """What is not understood, in the merchant's book and in nobody's."""
    code = "platform:suspense"
    nobodys = ledger.balance(book_id=PLATFORM_BOOK, code=code, currency="USD")
    return merchant.balance(code), nobodys


class TestAPaymentByBankTransfer:
    def test_is_authorized_with_a_reference_and_an_account_to_pay_to(
        self, merchant: Merchant
    ) -> None:
        made = transfers.ask(merchant)

        assert (made["status"], made["outcome"], made["method"]) == (
            *("AUTHORIZED", "pending"),
            "bank_transfer",
        )
        assert iso11649.is_valid(transfers.reference_of(made))
        assert made["next_action"]["account"]["routing_number"] == "110000000"
        assert made["expected_by"] > made["created_at"]
        assert (made["capture_before"], made["provider"]) == (None, None)
        finish_runs()
        looked = merchant.get(f"/v1/payments/{made['id']}").json()
        assert looked == {**made, "expected_by": looked["expected_by"]}
        assert truth.postings_in(merchant) == {}
        assert truth.violations() == {}

    def test_is_captured_and_credited_when_the_money_has_come(self, merchant: Merchant) -> None:
        merchant.set_plan(basis_points=100, method="bank_transfer")
        made = transfers.ask(merchant)

        transfers.bank_tells(("b1", "100.00", f"order 1 {transfers.reference_of(made)} thanks"))

        payment = merchant.payment(made["id"])
        assert (payment.status, payment.amount_captured, payment.fee) == ("SETTLED", 100, 1)
        assert merchant.balance("platform:bank") == usd("100.00")
        assert merchant.balance("payment:unallocated") == usd("0.00")
        assert merchant.balance("merchant:pending") == usd("99.00")
        assert truth.postings_in(merchant) == {"capture": 1, "credit": 1}
        assert truth.kinds_of(payment.id)[-4:] == [
            *("payment.authorized", "payment.captured", "payment.settled"),
            "payment.succeeded",
        ]
        shown = merchant.get(f"/v1/payments/{made['id']}").json()
        assert (shown["outcome"], shown["next_action"]) == ("known", None)
        assert transfers.cases() == []
        assert truth.violations() == {}

    def test_fails_when_its_time_is_over_and_money_that_comes_later_has_a_case(
        self, merchant: Merchant
    ) -> None:
        made = transfers.ask(merchant)
        transfers.time_is_over(merchant, made["id"])
        finish_runs()

        payment = merchant.payment(made["id"])
        assert (payment.status, payment.failure_code) == ("FAILED", "transfer_not_received")
        assert merchant.charge_run(made["id"]).status == "COMPENSATED"
        assert truth.violations() == {}

        transfers.bank_tells(("b1", "100.00", transfers.reference_of(made)))

        assert merchant.payment(made["id"]).status == "FAILED"
        assert transfers.reasons() == ["too_late"]
        assert in_suspense(merchant) == (usd("100.00"), usd("0.00"))
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        ("amount", "reason"), [("99.99", "short"), ("100.01", "over"), ("0.01", "short")]
    )
    def test_is_not_captured_by_another_amount(
        self, merchant: Merchant, amount: str, reason: str
    ) -> None:
        made = transfers.ask(merchant)

        transfers.bank_tells(("b1", amount, transfers.reference_of(made)))

        assert merchant.payment(made["id"]).status == "AUTHORIZED"
        assert transfers.reasons() == [reason]
        assert in_suspense(merchant) == (usd(amount), usd("0.00"))
        assert truth.postings_in(merchant) == {"suspense": 1}
        assert truth.violations() == {}

    def test_is_booked_by_now_where_the_banks_day_is_ahead_of_ours(
        self, merchant: Merchant
    ) -> None:
        made = transfers.ask(merchant)
        text = transfers.statement(("b1", "100.00", transfers.reference_of(made)))
        today, tomorrow = clock.now().date(), clock.now().date() + timedelta(days=1)

        transfers.bank_tells_of(text.replace(today.isoformat(), tomorrow.isoformat()))

        booked = LedgerTransaction.objects.get(book_id=merchant.book_id, kind="capture")
        assert booked.occurred_at <= clock.now()
        assert merchant.payment(made["id"]).status == "SETTLED"

    def test_is_not_captured_twice(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        reference = transfers.reference_of(made)

        transfers.bank_tells(("b1", "100.00", reference), ("b2", "100.00", reference))

        assert merchant.payment(made["id"]).amount_captured == 100
        assert transfers.reasons() == ["already_paid"]
        assert in_suspense(merchant) == (usd("100.00"), usd("0.00"))
        assert truth.violations() == {}

    def test_is_not_captured_by_another_currency(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)

        line = ("b1", "100.00", transfers.reference_of(made))
        transfers.bank_tells(line, currency="EUR")

        assert merchant.payment(made["id"]).status == "AUTHORIZED"
        assert transfers.reasons() == ["wrong_currency"]
        assert merchant.balance("platform:suspense", "EUR") == Money("100.00", "EUR")
        assert truth.violations() == {}

    @pytest.mark.parametrize(
        "text", ["", "thanks", "RF18539007547034", "RF00AAAAAAAAAAAAAAAA", "{0}X{1}"]
    )
    def test_is_not_guessed_from_what_the_payer_wrote(self, merchant: Merchant, text: str) -> None:
        made, other = transfers.ask(merchant), transfers.ask(merchant)
        both = text.format(transfers.reference_of(made), transfers.reference_of(other))

        transfers.bank_tells(("b1", "100.00", both))

        assert transfers.reasons() == ["unknown_reference"]
        assert in_suspense(merchant) == (usd("0.00"), usd("100.00"))
        assert merchant.payment(made["id"]).status == "AUTHORIZED"
        assert truth.violations() == {}

    def test_is_found_however_its_reference_is_spaced(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        spaced = iso11649.format(transfers.reference_of(made)).lower()

        transfers.bank_tells(("b1", "100.00", f"Invoice 7: {spaced}"))

        assert merchant.payment(made["id"]).status == "SETTLED"

    def test_is_not_found_by_a_reference_with_a_typing_error(self, merchant: Merchant) -> None:
        reference = transfers.reference_of(transfers.ask(merchant))
        wrong = reference[:-1] + ("A" if reference[-1] != "A" else "B")

        transfers.bank_tells(("b1", "100.00", wrong))

        assert transfers.reasons() == ["unknown_reference"]

    def test_is_answered_with_the_same_bytes_again(self, merchant: Merchant) -> None:
        body = {"amount": 10_000, "currency": "USD", "source": "bank_transfer"}

        first, again = (merchant.post("/v1/payments", body, key="k") for _ in range(2))

        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again["Idempotent-Replayed"] == "true"
        assert first.json()["outcome"] == "pending"

    @pytest.mark.usefixtures("crediting_is_refused")
    def test_whose_credit_is_refused_waits_for_a_person(self, merchant: Merchant) -> None:
        payment_id = stuck(merchant)

        assert merchant.charge_run(payment_id).status == "NEEDS_ATTENTION"
        assert merchant.balance("payment:unallocated") == usd("100.00")
        assert truth.violations() == {}

    @pytest.mark.usefixtures("crediting_is_refused")
    def test_that_a_person_has_sent_back_is_given_back_once(self, merchant: Merchant) -> None:
        payment_id = stuck(merchant)

        told = [sent_back(merchant, payment_id) for _ in range(2)]
        truth.finish_everything()

        assert told == ["", "not_awaiting_decision"]
        payment = merchant.payment(payment_id)
        assert (payment.status, payment.amount_refunded) == ("REFUNDED", 100)
        assert merchant.charge_run(payment_id).status == "COMPENSATED"
        for code in ("payment:unallocated", "refund:payable", "platform:bank", "merchant:pending"):
            assert merchant.balance(code) == usd("0.00"), code
        entry = AuditEntry.objects.get(action="payment.sent_back")
        assert (entry.actor, entry.facts["reason"]) == ("staff:7", "sent back by hand")
        assert len(truth.kinds_of(payment.id)) == payment.version
        truth.assert_nothing_is_left_over()

    def test_that_was_credited_is_not_to_be_sent_back(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", transfers.reference_of(made)))
        finish_runs()
        before = truth.counts()

        assert sent_back(merchant, made["id"]) == "not_awaiting_decision"

        assert truth.counts() == before


def stuck(merchant: Merchant) -> str:
    """A transfer that has come and cannot be credited; its run waits for a person."""
    made = transfers.ask(merchant)
    transfers.tell(transfers.statement(("b1", "100.00", transfers.reference_of(made))))
    for _ in range(12):
        truth.make_due(merchant.payment(made["id"]))
        engine.sweep()
    return str(made["id"])


def sent_back(merchant: Merchant, payment_id: str) -> str:
    """What somebody is told who notes that a transfer was sent back: nothing, or why not."""
    try:
        with transaction.atomic():
            redirecting.note_sent_back(
                book_id=merchant.book_id,
                payment_id=merchant.payment(payment_id).id,
                reason="sent back by hand",
                actor="staff:7",
                now=clock.now(),
            )
    except DomainError as error:
        return error.code
    return ""


class TestWhatABankTransferCannot:
    @pytest.mark.parametrize(
        ("more", "param"),
        [
            ({"capture_method": "manual"}, "capture_method"),
            ({"wallet": "wallet_x"}, "wallet"),
            ({"quote": "quote_x"}, "quote"),
            ({"destination": "wallet_x"}, "destination"),
            ({"currency": "JPY"}, "currency"),
        ],
    )
    def test_is_refused_when_it_is_ordered(
        self, merchant: Merchant, more: dict[str, Any], param: str
    ) -> None:
        before = truth.counts()
        answer = merchant.pay(10_000, "bank_transfer", **more)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "not_supported_by_method")
        assert error["param"] == param
        assert truth.counts() == before

    @pytest.mark.parametrize("order", ["capture", "void"])
    def test_is_to_be_captured_or_voided(self, merchant: Merchant, order: str) -> None:
        made = transfers.ask(merchant)

        answer = merchant.post(f"/v1/payments/{made['id']}/{order}")

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "not_supported_by_method"
        assert merchant.payment(made["id"]).status == "AUTHORIZED"

    def test_is_to_be_refunded_but_to_a_wallet(self, merchant: Merchant) -> None:
        made = transfers.ask(merchant)
        transfers.bank_tells(("b1", "100.00", transfers.reference_of(made)))
        purse = purses.wallet(merchant, 0)
        url = f"/v1/payments/{made['id']}/refund"

        refused = merchant.post(url, {"amount": 4_000})
        taken = merchant.post(url, {"amount": 4_000, "wallet": purse})
        finish_runs()

        assert refused.status_code == 422
        error = refused.json()["error"]
        assert (error["code"], error["param"]) == ("not_supported_by_method", "wallet")
        assert taken.status_code == 201, taken.content
        assert merchant.payment(made["id"]).amount_refunded == 40
        assert purses.inside(merchant, purse)[0] == 4_000
        assert truth.violations() == {}


def test_money_is_stored_before_anything_is_decided(merchant: Merchant) -> None:
    made = transfers.ask(merchant)
    text = transfers.statement(("b1", "100.00", transfers.reference_of(made)))

    now = truth.clock.now()
    truth.services.import_statement(text=text, actor="staff:1", now=now)

    assert BankReceipt.objects.get().reference == transfers.reference_of(made)
    assert merchant.payment(made["id"]).status == "AUTHORIZED"
    assert truth.services.match_undecided(now=now) == 1
