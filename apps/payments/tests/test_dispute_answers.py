"""What is said to a dispute: kept, filled up from what we know, sent once; or nothing, given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import connection

from apps.core import clock, db, ids
from apps.gateways.models import ProviderCall
from apps.gateways.types import EVIDENCE
from apps.payments.models import Dispute, Payment
from apps.payments.services import disputes
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import assert_whole, hear, only_dispute, open_dispute
from apps.payments.tests.test_bad_input import UNREADABLE, send
from apps.payments.tests.test_erasure import erase, tables_with
from apps.payments.tests.threads import at_once
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator

WORDS = "Xanthippe Quillfeather signed for it"


def disputed(merchant: Merchant, simulator: Simulator, **facts: Any) -> tuple[str, str, str]:
    """A payment, its dispute here, and the provider's name of it."""
    payment_id = merchant.captured(10_000)
    reference = open_dispute(simulator, payment_id, **facts)
    hear(simulator)
    return payment_id, ids.encode("dp", only_dispute(merchant).id), reference


def answer(merchant: Merchant, dispute_id: str, *, submit: bool = True, **texts: Any) -> Any:
    body = {"texts": texts, "submit": submit}
    return merchant.post(f"/v1/disputes/{dispute_id}/evidence", body)


def accept(merchant: Merchant, dispute_id: str) -> Any:
    return merchant.post(f"/v1/disputes/{dispute_id}/accept")


def code_of(answered: Any) -> tuple[int, str]:
    return answered.status_code, answered.json()["error"]["code"]


class TestEvidence:
    def test_is_sent_once_with_what_we_know_ourselves(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id = merchant.pay(
            reference="order 7", metadata={"tracking_number": "1Z9", "color": "red"}
        ).json()["id"]
        finish_runs()
        reference = open_dispute(simulator, payment_id)
        hear(simulator)
        dispute_id = ids.encode("dp", only_dispute(merchant).id)
        kept = answer(merchant, dispute_id, submit=False, uncategorized_text=WORDS)
        assert kept.json()["evidence_submitted_at"] is None
        assert "evidence_details" in simulator.find_dispute(reference)
        assert simulator.find_dispute(reference)["evidence_details"]["submission_count"] == 0

        told = answer(merchant, dispute_id, shipping_carrier="UPS")
        finish_runs()

        assert told.status_code == 200, told.content
        outside = simulator.find_dispute(reference)
        assert outside["evidence_details"]["submission_count"] == 1
        assert outside["evidence"]["uncategorized_text"] == WORDS, "what the merchant says goes"
        assert outside["evidence"]["shipping_carrier"] == "UPS"
        assert outside["evidence"]["shipping_tracking_number"] == "1Z9"
        dispute = assert_whole(merchant, simulator, payment_id)
        assert dispute.status == "UNDER_REVIEW"
        assert truth.kinds_of(dispute.id) == [
            *("dispute.created", "dispute.evidence_staged"),
            *("dispute.evidence_submitted", "dispute.evidence_received"),
        ]

    def test_is_suggested_from_receipt_screening_and_earlier_payments(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)

        shown = merchant.get(f"/v1/disputes/{dispute_id}/evidence").json()

        assert shown["texts"] == {}
        receipt = shown["suggested"]["uncategorized_text"]
        assert "100.00" in receipt
        assert "visa ending in 4242" in receipt
        assert "Screened before it was taken: ALLOW" in receipt

    def test_of_a_payment_that_was_never_captured_here_can_be_read_and_sent(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """The provider disputes what it says it has taken, whatever we know of it."""
        _, dispute_id, _ = disputed(merchant, simulator)
        Payment.objects.update(captured_at=None)

        shown = merchant.get(f"/v1/disputes/{dispute_id}/evidence")
        told = answer(merchant, dispute_id, uncategorized_text=WORDS)

        assert (shown.status_code, told.status_code) == (200, 200)
        receipt = shown.json()["suggested"]["uncategorized_text"]
        assert "captured" not in receipt
        assert "visa ending in 4242" in receipt

    @pytest.mark.parametrize("fault", ["reset_after", "timeout_after", "error_before"])
    def test_whose_answer_was_lost_arrives_once(
        self, merchant: Merchant, simulator: Simulator, fault: str
    ) -> None:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        simulator.fault("submit_evidence", fault)

        answer(merchant, dispute_id, uncategorized_text=WORDS)
        finish_runs()
        truth.finish_everything()

        details = simulator.find_dispute(reference)["evidence_details"]
        assert details["submission_count"] == 1
        assert assert_whole(merchant, simulator, payment_id).evidence_sent_at is not None

    def test_is_in_no_intent_no_event_and_no_answer(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)

        told = answer(merchant, dispute_id, uncategorized_text=WORDS)
        finish_runs()

        assert WORDS not in told.content.decode()
        frozen = ProviderCall.objects.get(call="submit_evidence")
        assert frozen.request["evidence"] == {}
        assert WORDS not in json.dumps(frozen.result)
        assert tables_with(WORDS) == {}, "nor anywhere else in the clear"

    def test_that_comes_after_the_decision_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        simulator.decide(reference, "lose")

        assert answer(merchant, dispute_id, uncategorized_text=WORDS).status_code == 200
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.evidence_sent_at) == ("LOST", None)
        assert simulator.find_dispute(reference)["evidence_details"]["submission_count"] == 0


class TestAnOrderWhoseDisputesRunNeedsAPerson:
    """What the merchant says is a fresh reason to try: nobody reminds of what was answered."""

    def test_has_the_answer_sent(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id, dispute_id, reference = self.stuck(merchant, simulator)

        assert answer(merchant, dispute_id, uncategorized_text=WORDS).status_code == 200
        finish_runs()

        details = simulator.find_dispute(reference)["evidence_details"]
        assert details["submission_count"] == 1
        assert assert_whole(merchant, simulator, payment_id).evidence_sent_at is not None

    def test_has_it_given_up(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id, dispute_id, _ = self.stuck(merchant, simulator)

        assert accept(merchant, dispute_id).status_code == 200
        finish_runs()

        assert assert_whole(merchant, simulator, payment_id).status == "LOST"

    def test_is_one_reason_to_try_whoever_is_first(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A person lets the run try again between the order's look at it and its retry."""
        payment_id, dispute_id, _ = self.stuck(merchant, simulator)
        retry, tried = engine.retry, []

        def second(*, run_id: UUID, now: datetime) -> None:
            if not tried:
                tried.append(run_id)
                at_once([lambda: in_its_own(retry, run_id=run_id, now=now)])
            retry(run_id=run_id, now=now)

        monkeypatch.setattr(engine, "retry", second)
        assert accept(merchant, dispute_id).status_code == 200
        finish_runs()

        assert tried
        assert assert_whole(merchant, simulator, payment_id).status == "LOST"

    def stuck(self, merchant: Merchant, simulator: Simulator) -> tuple[str, str, str]:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        with db.unit():
            run = disputes.look(only_dispute(merchant), now=clock.now())
        truth.give_up(run)
        return payment_id, dispute_id, reference


def in_its_own(call: Callable[..., None], **facts: Any) -> None:
    with db.unit():
        call(**facts)


class TestAccepting:
    def test_loses_the_dispute(self, merchant: Merchant, simulator: Simulator) -> None:
        payment_id, dispute_id, _ = disputed(merchant, simulator)

        assert accept(merchant, dispute_id).json()["accept_requested_at"]
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert dispute.status == "LOST"
        assert dispute.accepted_at is not None
        assert truth.kinds_of(dispute.id) == [
            *("dispute.created", "dispute.accept_requested", "dispute.lost"),
        ]
        assert merchant.payment(payment_id).status == "CHARGED_BACK"

    def test_what_was_won_meanwhile_leaves_it_won(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        simulator.decide(reference, "win")

        accept(merchant, dispute_id)
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.accepted_at) == ("WON", None)


class TestWhatIsRefused:
    """Each with its code, and nothing changes but that a key was answered."""

    def refused(self, answered: Any, before: dict[str, int], expected: tuple[int, str]) -> None:
        assert code_of(answered) == expected
        after = truth.counts()
        assert {**after, "idempotency_key": 0} == {**before, "idempotency_key": 0}

    def test_evidence_twice(self, merchant: Merchant, simulator: Simulator) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        answer(merchant, dispute_id, uncategorized_text="first")
        finish_runs()
        before = truth.counts()
        again = answer(merchant, dispute_id, uncategorized_text="second")
        self.refused(again, before, (409, "evidence_already_submitted"))

    def test_evidence_after_its_day(self, merchant: Merchant, simulator: Simulator) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        due_by = only_dispute(merchant).due_by
        assert due_by is not None
        before = truth.counts()
        with time_machine.travel(due_by, tick=False):
            late = answer(merchant, dispute_id, uncategorized_text=WORDS)
        self.refused(late, before, (409, "evidence_overdue"))

    @pytest.mark.parametrize("order", [answer, accept])
    def test_a_closed_one(self, merchant: Merchant, simulator: Simulator, order: Any) -> None:
        _, dispute_id, reference = disputed(merchant, simulator)
        simulator.decide(reference, "lose")
        hear(simulator)
        before = truth.counts()
        self.refused(order(merchant, dispute_id), before, (409, "dispute_closed"))

    def test_accepting_twice(self, merchant: Merchant, simulator: Simulator) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        accept(merchant, dispute_id)
        before = truth.counts()
        self.refused(accept(merchant, dispute_id), before, (409, "dispute_closed"))

    def test_accepting_an_inquiry(self, merchant: Merchant, simulator: Simulator) -> None:
        _, dispute_id, _ = disputed(merchant, simulator, inquiry="yes")
        before = truth.counts()
        self.refused(accept(merchant, dispute_id), before, (409, "dispute_not_acceptable"))

    @pytest.mark.parametrize("order", [answer, accept])
    def test_another_merchants(
        self, merchant: Merchant, other_merchant: Merchant, simulator: Simulator, order: Any
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        before = truth.counts()
        self.refused(order(other_merchant, dispute_id), before, (404, "resource_missing"))
        for path in ("", "/evidence"):
            assert other_merchant.get(f"/v1/disputes/{dispute_id}{path}").status_code == 404
        assert other_merchant.get("/v1/disputes").json()["data"] == []

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"texts": {}},
            {"texts": {"mood": "bad"}},
            {"texts": {"uncategorized_text": 7}},
            {"texts": {"uncategorized_text": "a\x00b"}},
            {"texts": {"shipping_carrier": "x" * 101}},
            {"texts": "all of it"},
            {"texts": {"uncategorized_text": "x"}, "submit": "perhaps"},
            {"texts": {"uncategorized_text": "x"}, "extra": 1},
        ],
    )
    def test_what_is_no_evidence(self, merchant: Merchant, simulator: Simulator, body: Any) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        before = truth.counts()
        answered = merchant.post(f"/v1/disputes/{dispute_id}/evidence", body)
        self.refused(answered, before, (400, "parameter_invalid"))

    def test_whatever_else_is_sent(self, merchant: Merchant, simulator: Simulator) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        path, before = f"/v1/disputes/{dispute_id}", truth.counts()
        sent = [*UNREADABLE.values()]
        for wild in (None, True, 0, 2**62, 1.5, "", "\x01", "\u202e", [], [[]], {}, {"a": [1]}):
            evidence = [{"texts": wild, "submit": 0}, {"texts": {"product_description": [wild]}}]
            evidence += [{"submit": wild, "more": wild}, {"texts": {"uncategorized_text": ["x"]}}]
            sent += [json.dumps(body).encode() for body in evidence]

        for body in sent:
            for order in ("evidence", "accept"):
                answered = send(merchant, f"{path}/{order}", body)
                assert answered.status_code == 400, (order, body, answered.content)

        assert {**truth.counts(), "idempotency_key": 0} == {**before, "idempotency_key": 0}
        assert only_dispute(merchant).version == 1

    def test_more_text_than_a_provider_takes_in_all(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        """Each is short enough by itself; what was kept before counts too."""
        _, dispute_id, _ = disputed(merchant, simulator)
        *long, last = [name for name, longest in EVIDENCE.items() if longest == 20_000]
        kept = answer(merchant, dispute_id, submit=False, **dict.fromkeys(long, "x" * 20_000))
        assert kept.status_code == 200, kept.content
        before = truth.counts()

        answered = answer(merchant, dispute_id, **{last: "x" * 10_001})

        self.refused(answered, before, (400, "parameter_invalid"))
        assert "150001 characters" in answered.json()["error"]["message"]


class TestErasure:
    def test_of_the_customer_deletes_what_was_said_of_them(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        customer = merchant.post("/v1/customers", {"name": "Xanthippe"}).json()["id"]
        method = {"provider_token": "pm_card_visa", "customer": customer}
        card = merchant.post("/v1/payment_methods", method).json()["id"]
        payment_id = merchant.captured(10_000, card)
        open_dispute(simulator, payment_id)
        hear(simulator)
        dispute_id = ids.encode("dp", only_dispute(merchant).id)
        shown = merchant.get(f"/v1/disputes/{dispute_id}/evidence").json()
        assert shown["suggested"]["customer_name"] == "Xanthippe"
        assert answer(merchant, dispute_id, uncategorized_text=WORDS).status_code == 200

        assert erase(merchant, customer).status_code == 200
        finish_runs()

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM payments_dispute_evidence")
            assert cursor.fetchone() == (0,)
        shown = merchant.get(f"/v1/disputes/{dispute_id}/evidence").json()
        assert (shown["texts"], shown["suggested"].get("customer_name")) == ({}, None)
        dispute = Dispute.objects.get()
        assert (dispute.evidence_ordered_at, dispute.status) == (None, "NEEDS_RESPONSE")
        assert tables_with("Xanthippe") == {}
        truth.assert_nothing_is_left_over()


class TestLooking:
    def test_shows_the_dispute_alone_in_lists_and_with_its_payment(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, dispute_id, _ = disputed(merchant, simulator, amount=4_000)

        one = merchant.get(f"/v1/disputes/{dispute_id}").json()
        assert (one["payment"], one["amount"], one["stage"]) == (payment_id, 4_000, "chargeback")
        for query in ("", "?status=NEEDS_RESPONSE", f"?payment={payment_id}"):
            assert merchant.get(f"/v1/disputes{query}").json()["data"] == [one], query
        assert merchant.get("/v1/disputes?status=WON").json()["data"] == []
        assert merchant.get("/v1/disputes?status=REPORTED").status_code == 400
        shown = merchant.get(f"/v1/payments/{payment_id}?expand=disputes,ledger").json()
        assert shown["disputes"] == [one]
        assert shown["ledger"][-1]["kind"] == "dispute"
