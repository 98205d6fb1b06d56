"""What every provider whose disputes we answer must do: a further one passes this, or is not added.

A deriving class gives it a `side`: the provider, a double over HTTP, and the ways in which the
payer and the bank act there. The calls go through `gateways.services`, as a saga makes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from apps.core import clock
from apps.gateways import providers, services
from apps.gateways.providers.base import Provider
from apps.gateways.services import calls
from apps.gateways.tests.desk import Desk, Side, ended
from apps.gateways.types import (
    AcceptDisputeRequest,
    DisputeReason,
    DisputeStage,
    DisputeStatus,
    EvidenceFile,
    InspectDisputeRequest,
    Operation,
    ProviderDispute,
    SubmitEvidenceRequest,
    UploadFileRequest,
    answer_rules,
)
from apps.sagas.definition import Intent, Observation, Outcome

TOLD = {"uncategorized_text": "It was delivered.", "shipping_carrier": "UPS"}
PDF, PNG = b"%PDF-1.7\r\n\x00--\xff", b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LOST_BEFORE = ("timeout_before", "reset_before", "error_before")
LOST_AFTER = ("timeout_after", "reset_after", "error_after")


class DisputeSide(ABC):
    """A provider and the double behind it; amounts in minor units of USD."""

    side: Side
    # What it says of a dispute about goods that did not come: the reason in its words, its code.
    not_received: ClassVar[tuple[str, str]]

    @property
    def provider(self) -> Provider:
        return self.side.provider

    @abstractmethod
    def open(self, reference: str, *, inquiry: bool = False) -> str:
        """The payer of a captured payment says that nothing came; the name of the dispute."""

    @abstractmethod
    def win(self, reference: str, *, lost: int = 0) -> None:
        """It is decided for us, all but what is `lost`."""

    @abstractmethod
    def lose(self, reference: str) -> None: ...

    @abstractmethod
    def reverse(self, reference: str) -> None:
        """What was lost is won later."""

    @abstractmethod
    def drop(self, reference: str) -> None:
        """A question is not asked any more."""

    @abstractmethod
    def escalate(self, reference: str) -> None:
        """A question becomes a claim."""

    @abstractmethod
    def submissions(self, reference: str) -> int:
        """How often it was answered."""

    @abstractmethod
    def said(self, reference: str) -> str:
        """Everything that was said, as one text."""

    @abstractmethod
    def files(self, reference: str) -> list[str]:
        """The hashes of the files that its answer names."""

    @abstractmethod
    def lines(self, reference: str) -> int:
        """How often money has moved because of it."""

    @abstractmethod
    def break_next(self, operation: Operation, kind: str) -> None: ...


def asked(desk: Desk, kind: Any, reference: str, **facts: Any) -> Intent:
    return desk.intent(
        kind(provider=desk.name, payment_id=desk.payment_id, provider_reference=reference, **facts)
    )


def told(observation: Observation) -> ProviderDispute:
    assert observation.outcome is Outcome.SUCCEEDED, observation
    return ProviderDispute.from_json(observation.result)


def look(desk: Desk, reference: str) -> ProviderDispute:
    return told(services.send(asked(desk, InspectDisputeRequest, reference)))


class DisputeContract(ABC):
    """The cases. A deriving class is named after its provider: `TestStripeDisputes`."""

    provider_name: ClassVar[str]

    @pytest.fixture
    def side(self) -> DisputeSide:
        raise NotImplementedError

    @pytest.fixture
    def desk(self, side: DisputeSide) -> Iterator[Desk]:
        with providers.using(self.provider_name, side.provider):
            yield Desk(side.side)

    @pytest.fixture
    def disputed(self, desk: Desk, side: DisputeSide) -> str:
        """The name of a dispute of a captured payment of 100.00."""
        return side.open(desk.captured())

    @pytest.fixture
    def inquired(self, desk: Desk, side: DisputeSide) -> str:
        return side.open(desk.captured(), inquiry=True)

    # --- what it is, and what becomes of it

    def test_it_says_what_it_is_about_and_until_when(self, desk, side, disputed):
        found = look(desk, disputed)

        assert found.stage is DisputeStage.CHARGEBACK
        assert found.status is DisputeStatus.NEEDS_RESPONSE
        assert found.reason is DisputeReason.NOT_RECEIVED
        assert (found.amount_minor, found.currency) == (10_000, "USD")
        assert (found.provider_reason, found.network_reason_code) == side.not_received
        assert found.payment_reference
        assert found.due_by
        assert not found.has_evidence

    def test_a_question_moves_no_money(self, desk, side, inquired):
        assert look(desk, inquired).stage is DisputeStage.INQUIRY
        assert side.lines(inquired) == 0

        side.drop(inquired)

        found = look(desk, inquired)
        assert (found.stage, found.status) == (DisputeStage.INQUIRY, DisputeStatus.WON)
        assert found.amount_lost_minor == 0
        assert side.lines(inquired) == 0

    def test_a_question_becomes_a_claim(self, desk, side, inquired):
        side.escalate(inquired)

        found = look(desk, inquired)

        assert (found.stage, found.status) == (
            DisputeStage.CHARGEBACK,
            DisputeStatus.NEEDS_RESPONSE,
        )
        assert side.lines(inquired) == 1

    @pytest.mark.parametrize("lost", [0, 6_000])
    def test_it_is_won_in_full_or_in_part(self, desk, side, disputed, lost):
        side.win(disputed, lost=lost)

        found = look(desk, disputed)

        assert found.status.is_over
        assert found.amount_lost_minor == lost
        assert side.lines(disputed) == 2

    def test_one_that_is_not_there_is_answered_so_and_kept_open_by_nobody(self, desk, caplog):
        intent = asked(desk, InspectDisputeRequest, "dp_of_nobody")
        now = replace(intent, created_at=clock.now())
        assert ended(services.send(now)) == ("UNKNOWN", "object_missing"), "or not there yet"

        before = replace(intent, created_at=clock.now() - calls.SHOWN_AFTER * 1.1)

        assert ended(services.look_up(before)) == ("FAILED", "object_missing")
        assert "gateways.needs_a_person" in caplog.text

    def test_it_is_lost_and_won_later(self, desk, side, disputed):
        side.lose(disputed)
        found = look(desk, disputed)
        assert (found.status, found.amount_lost_minor) == (DisputeStatus.LOST, 10_000)
        assert side.lines(disputed) == 1

        side.reverse(disputed)

        assert look(desk, disputed).status is DisputeStatus.WON
        assert side.lines(disputed) == 2

    # --- an answer

    def test_an_answer_arrives_once_however_often_it_is_sent(self, desk, side, disputed):
        intent = asked(desk, SubmitEvidenceRequest, disputed)

        for _ in range(2):
            found = told(services.send(intent, evidence=TOLD))
            assert (found.has_evidence, found.status) == (True, DisputeStatus.UNDER_REVIEW)

        assert look(desk, disputed).has_evidence
        assert side.submissions(disputed) == 1
        for text in TOLD.values():
            assert text in side.said(disputed)

    @pytest.mark.parametrize("kind", LOST_AFTER)
    def test_an_answer_whose_answer_was_lost_is_found(self, desk, side, disputed, kind):
        intent = asked(desk, SubmitEvidenceRequest, disputed)
        assert services.look_up(intent).outcome is Outcome.ABSENT
        side.break_next(Operation.SUBMIT_EVIDENCE, kind)

        said = services.send(intent, evidence=TOLD)

        assert (said.outcome, said.unsent) == (Outcome.UNKNOWN, False)
        assert told(services.look_up(intent)).has_evidence
        assert side.submissions(disputed) == 1

    @pytest.mark.parametrize("kind", LOST_BEFORE)
    def test_an_answer_that_was_lost_is_sent_again(self, desk, side, disputed, kind):
        intent = asked(desk, SubmitEvidenceRequest, disputed)
        side.break_next(Operation.SUBMIT_EVIDENCE, kind)

        assert services.send(intent, evidence=TOLD).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.ABSENT
        again = replace(intent, op_key=f"{intent.op_key}0") if kind == "error_before" else intent
        assert told(services.send(again, evidence=TOLD)).has_evidence
        assert side.submissions(disputed) == 1

    def test_an_answer_that_comes_too_late_is_answered_by_the_dispute(self, desk, side, disputed):
        side.lose(disputed)

        found = told(services.send(asked(desk, SubmitEvidenceRequest, disputed), evidence=TOLD))

        assert (found.status, found.has_evidence) == (DisputeStatus.LOST, False)
        assert side.submissions(disputed) == 0

    def test_nothing_that_was_said_is_kept_of_the_call(self, desk, disputed, caplog):
        said = services.send(asked(desk, SubmitEvidenceRequest, disputed), evidence=TOLD)

        assert TOLD["uncategorized_text"] not in f"{said.result}{said.message}{caplog.text}"

    # --- files

    def test_files_arrive_byte_for_byte_and_once(self, desk, side, disputed):
        rules = answer_rules(self.provider_name)
        files = {
            "receipt": EvidenceFile(name="a.pdf", content_type="application/pdf", content=PDF),
            "uncategorized_file": EvidenceFile(name="a.png", content_type="image/png", content=PNG),
        }
        facts: dict[str, Any] = {"attached": {p: f.sha256 for p, f in files.items()}}
        if rules.uploads:
            facts = {"uploaded": {p: self.uploaded(desk, p, file) for p, file in files.items()}}

        intent = asked(desk, SubmitEvidenceRequest, disputed, **facts)
        for _ in range(2):
            brought = {} if rules.uploads else files
            assert told(services.send(intent, evidence=TOLD, files=brought)).has_evidence

        assert sorted(side.files(disputed)) == sorted(file.sha256 for file in files.values())
        assert side.submissions(disputed) == 1
        assert max(len(file.content) for file in files.values()) <= rules.file_bytes

    def uploaded(self, desk: Desk, purpose: str, file: EvidenceFile) -> str:
        """The provider's name of a file, which it was given twice under one key."""
        request = UploadFileRequest(
            provider=desk.name, payment_id=desk.payment_id, purpose=purpose, sha256=file.sha256
        )
        intent = desk.intent(request)
        assert services.look_up(intent).outcome is Outcome.ABSENT
        first, second = (services.send(intent, files={purpose: file}) for _ in range(2))
        assert first.outcome is Outcome.SUCCEEDED, first
        assert first.result == second.result == {"provider_reference": first.provider_reference}
        return first.provider_reference

    # --- giving it up

    def test_giving_it_up_is_to_lose(self, desk, side, disputed):
        found = told(services.send(asked(desk, AcceptDisputeRequest, disputed)))

        assert (found.status, found.amount_lost_minor) == (DisputeStatus.LOST, 10_000)
        assert side.lines(disputed) == 1

    @pytest.mark.parametrize("kind", LOST_AFTER)
    def test_giving_up_whose_answer_was_lost_is_found(self, desk, side, disputed, kind):
        intent = asked(desk, AcceptDisputeRequest, disputed)
        assert services.look_up(intent).outcome is Outcome.ABSENT
        side.break_next(Operation.ACCEPT_DISPUTE, kind)

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert told(services.look_up(intent)).status is DisputeStatus.LOST
        assert side.lines(disputed) == 1

    def test_giving_up_what_is_decided_is_answered_by_the_decision(self, desk, side, disputed):
        side.win(disputed)

        found = told(services.send(asked(desk, AcceptDisputeRequest, disputed)))

        assert found.status is DisputeStatus.WON

    # --- doors

    def test_a_closed_door_proves_that_nothing_was_sent(self, desk, side, disputed, closed_port):
        away = side.side.elsewhere(f"http://127.0.0.1:{closed_port}")
        for kind in (SubmitEvidenceRequest, AcceptDisputeRequest):
            with providers.using(self.provider_name, away):
                said = services.send(asked(desk, kind, disputed))
            assert (ended(said), said.unsent) == (("ABSENT", "not_sent"), True)
        assert side.submissions(disputed) == 0
