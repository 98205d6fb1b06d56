"""A dispute at PayPal passes the contract, and what is PayPal's alone: types of evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.core import ids
from apps.gateways import services
from apps.gateways.providers.paypal import answers, disputes
from apps.gateways.tests.desk import ended
from apps.gateways.tests.dispute_contract import TOLD, DisputeContract, DisputeSide, asked, told
from apps.gateways.tests.test_paypal import PayPalSide
from apps.gateways.tests.test_paypal_words import TEN
from apps.gateways.types import DisputeStatus, Operation, SubmitEvidenceRequest
from paysys.testing.simulator import Simulator

_OPS = {
    Operation.SUBMIT_EVIDENCE: "paypal_provide_evidence",
    Operation.ACCEPT_DISPUTE: "paypal_accept_claim",
}


class PayPalDisputes(DisputeSide):
    not_received = ("MERCHANDISE_OR_SERVICE_NOT_RECEIVED", "")

    def __init__(self, simulator: Simulator) -> None:
        self.paypal = simulator.paypal
        self.simulator = simulator
        self.side = PayPalSide(simulator)

    def open(self, reference: str, *, inquiry: bool = False) -> str:
        [capture] = self.paypal.order(reference)["captures"]
        stage = "INQUIRY" if inquiry else "CHARGEBACK"
        opened = self.paypal.dispute(capture["id"], stage=stage, reason=self.not_received[0])
        return str(opened["dispute_id"])

    def win(self, reference: str, *, lost: int = 0) -> None:
        refunded = f"{lost / 100:.2f}" if lost else ""
        self.paypal.resolve(reference, won=not lost, refunded=refunded)

    def lose(self, reference: str) -> None:
        self.paypal.resolve(reference, won=False)

    def reverse(self, reference: str) -> None:
        self.paypal.resolve(reference, won=True)

    def drop(self, reference: str) -> None:
        self.paypal.cancel_dispute(reference)

    def escalate(self, reference: str) -> None:
        self.paypal.escalate(reference)

    def submissions(self, reference: str) -> int:
        return int(self.paypal.find_dispute(reference)["submissions"])

    def said(self, reference: str) -> str:
        return json.dumps(self.paypal.find_dispute(reference)["evidences"])

    def files(self, reference: str) -> list[str]:
        return [file["sha256"] for file in self.paypal.find_dispute(reference)["files"]]

    def lines(self, reference: str) -> int:
        return len(self.paypal.find_dispute(reference).get("money_movements", ()))

    def break_next(self, operation: Operation, kind: str) -> None:
        self.simulator.fault(_OPS[operation], kind)


class TestPayPalDisputes(DisputeContract):
    provider_name = "paypal"

    @pytest.fixture
    def side(self, simulator: Simulator) -> PayPalDisputes:
        return PayPalDisputes(simulator)

    def test_what_is_not_offered_is_not_sent(self, desk, side, inquired):
        """An answer to a question: PayPal shows no link for it."""
        found = told(services.send(asked(desk, SubmitEvidenceRequest, inquired), evidence=TOLD))

        assert (found.status, found.has_evidence) == (DisputeStatus.NEEDS_RESPONSE, False)
        assert side.submissions(inquired) == 0

    def test_an_answer_that_nobody_could_look_at_is_not_unsent(self, desk, side, disputed):
        """It was taken, and the question after it met a closed door."""
        intent = asked(desk, SubmitEvidenceRequest, disputed)
        side.simulator.fault("paypal_provide_evidence", "slow:1")
        api = side.provider._api
        get, gone = api.get, []

        def once_then_too_many(path: str) -> Any:
            gone.append(path)
            if len(gone) > 1:
                side.simulator.fault("paypal_retrieve_dispute", "rate_limit")
            return get(path)

        api.get = once_then_too_many
        said = services.send(intent, evidence=TOLD)
        api.get = get

        assert (ended(said), said.unsent) == (("UNKNOWN", "not_looked_at"), False)
        assert told(services.look_up(intent)).has_evidence
        assert side.submissions(disputed) == 1


class TestTypesOfEvidence:
    def told(self, *, refunds: list[str] | None = None, **texts: str) -> list[dict[str, Any]]:
        request = SubmitEvidenceRequest(
            provider="paypal",
            payment_id=ids.new_id(),
            provider_reference="PP-D-1",
            evidence=texts,
            refund_references=refunds or [],
        )
        body = answers.evidence(request).content.decode()
        found: list[dict[str, Any]] = json.loads(body.split("\r\n\r\n")[1].split("\r\n--")[0])[
            "evidences"
        ]
        return found

    @pytest.mark.parametrize(
        ("carrier", "expected"),
        [
            ("UPS", {"carrier_name": "UPS"}),
            (" royal mail", {"carrier_name": "ROYAL_MAIL"}),
            ("Kiwi Post", {"carrier_name": "OTHER", "carrier_name_other": "Kiwi Post"}),
            ("", {"carrier_name": "OTHER", "carrier_name_other": "not named"}),
        ],
    )
    def test_tracking_has_fields_of_its_own(self, carrier, expected):
        [told] = self.told(shipping_carrier=carrier, shipping_tracking_number="1Z9")

        assert told["evidence_type"] == "PROOF_OF_FULFILLMENT"
        [tracking] = told["evidence_info"]["tracking_info"]
        assert tracking == {**expected, "tracking_number": "1Z9"}

    def test_a_carrier_without_a_number_is_a_note(self):
        assert self.told(shipping_carrier="UPS") == [
            {"evidence_type": "OTHER", "notes": "Shipping carrier: UPS"}
        ]

    def test_refunds_are_named(self):
        [told] = self.told(refunds=["1R2", "1R3"])
        assert told == {
            "evidence_type": "PROOF_OF_REFUND",
            "evidence_info": {"refund_ids": ["1R2", "1R3"]},
        }

    def test_a_long_text_becomes_several_notes_and_loses_nothing(self):
        text = "é1 " * 1_500

        told = self.told(product_description=text)

        assert {each["evidence_type"] for each in told} == {"ITEM_DESCRIPTION"}
        assert max(len(each["notes"]) for each in told) == answers.NOTE_LENGTH
        assert "".join(each["notes"] for each in told) == f"Product description: {text}"


class TestWords:
    @pytest.mark.parametrize(
        ("status", "outcome", "ours"),
        [
            ("OPEN", None, "under_review"),
            ("WAITING_FOR_BUYER_RESPONSE", None, "under_review"),
            ("WAITING_FOR_SELLER_RESPONSE", None, "needs_response"),
            ("UNDER_REVIEW", None, "under_review"),
            ("RESOLVED", "RESOLVED_SELLER_FAVOUR", "won"),
            ("RESOLVED", "CANCELED_BY_BUYER", "won"),
            ("RESOLVED", "RESOLVED_WITH_PAYOUT", "won"),
            ("RESOLVED", "RESOLVED_BUYER_FAVOUR", "lost"),
            ("RESOLVED", "ACCEPTED", "lost"),
        ],
    )
    def test_every_state_has_one_of_ours(self, status, outcome, ours):
        assert disputes.dispute(self._dispute(status, outcome)).status == ours

    def test_how_one_ended_is_not_guessed(self):
        with pytest.raises(ValueError, match="NONE"):
            disputes.dispute(self._dispute("RESOLVED", "NONE"))

    def test_of_one_lost_in_part_the_part_is_told(self):
        part = {"amount_refunded": {"currency_code": "USD", "value": "4.00"}}
        found = self._dispute("RESOLVED", "ACCEPTED", **part)

        assert disputes.dispute(found).amount_lost_minor == 400

    def test_of_a_question_nothing_is_lost_whoever_gave_the_payer_money(self):
        part = {"amount_refunded": TEN}
        found = self._dispute("RESOLVED", "RESOLVED_BUYER_FAVOUR", **part)
        asked = {**found, "dispute_life_cycle_stage": "INQUIRY"}

        told = disputes.dispute(asked)

        assert (told.status, told.amount_lost_minor) == (DisputeStatus.WON, 0)

    @pytest.mark.parametrize(
        ("moved", "lost"),
        [
            ([("SELLER", "DEBIT", "10.00"), ("BUYER", "CREDIT", "10.00")], 1_000),
            ([("SELLER", "DEBIT", "10.00"), ("SELLER", "CREDIT", "4.00")], 600),
            ([("SELLER", "DEBIT", "6.00"), ("BUYER", "CREDIT", "6.00")], 600),
            ([("SELLER", "DEBIT", "6.00"), ("SELLER", "CREDIT", "6.00")], 0),
            ([("BUYER", "CREDIT", "10.00"), ("PAYMENT_PROCESSOR", "DEBIT", "10.00")], 1_000),
        ],
    )
    def test_of_what_the_payer_got_only_that_is_lost_which_was_taken_from_us(self, moved, lost):
        found = self._dispute("RESOLVED", "RESOLVED_BUYER_FAVOUR", amount_refunded=TEN)
        found["money_movements"] = [
            *(_movement(*each, "DISPUTE_SETTLEMENT") for each in moved),
            _movement("SELLER", "DEBIT", "16.00", "DISPUTE_FEE"),
        ]

        assert disputes.dispute(found).amount_lost_minor == lost

    def test_what_was_moved_in_another_currency_is_not_counted(self):
        found = self._dispute("RESOLVED", "RESOLVED_BUYER_FAVOUR", amount_refunded=TEN)
        moved = _movement("SELLER", "DEBIT", "9.00", "DISPUTE_SETTLEMENT")
        moved["amount"]["currency_code"] = "EUR"

        assert disputes.dispute({**found, "money_movements": [moved]}).amount_lost_minor == 1_000

    def _dispute(self, status: str, outcome: str | None, **facts: Any) -> dict[str, Any]:
        return {
            "dispute_id": "PP-1",
            "dispute_amount": TEN,
            "dispute_life_cycle_stage": "CHARGEBACK",
            "reason": "OTHER",
            "status": status,
            "disputed_transactions": [{"seller_transaction_id": "CAP1"}],
            **({"dispute_outcome": {"outcome_code": outcome, **facts}} if outcome else {}),
        }


def _movement(party: str, kind: str, value: str, reason: str) -> dict[str, Any]:
    amount = {"currency_code": "USD", "value": value}
    return {"affected_party": party, "type": kind, "amount": amount, "reason": reason}
