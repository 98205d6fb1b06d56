"""The part of the contract that is about not knowing: lost answers, repeated keys, closed doors."""

from __future__ import annotations

from abc import ABC
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar

import pytest

from apps.gateways import providers, services
from apps.gateways.tests.desk import ended, paid, refunded
from apps.gateways.types import Operation
from apps.sagas.definition import Outcome

LOST_BEFORE = ("timeout_before", "reset_before")
LOST_AFTER = ("timeout_after", "reset_after")
# The operations that move money, or promise to.
MOVING = (Operation.CONFIRM, Operation.CAPTURE, Operation.VOID, Operation.REFUND)


class LostAnswers(ABC):
    """Needs the fixtures `side`, `desk`, `closed_port` and `plain_port` of the contract."""

    provider_name: ClassVar[str]

    # --- one key, one effect

    def test_the_same_key_twice_has_one_effect(self, desk, side):
        for operation in MOVING:
            intent = desk.ready_for(operation)

            first, second = services.send(intent), services.send(intent)

            assert first.outcome is Outcome.SUCCEEDED
            assert second.result == first.result, operation
            assert side.effects(intent) == 1, operation

    def test_two_workers_with_the_same_key_have_one_effect(self, desk, side):
        for operation in (Operation.CAPTURE, Operation.REFUND):
            intent = desk.ready_for(operation)

            with ThreadPoolExecutor(4) as pool:
                said = list(pool.map(lambda _: services.send(intent), range(8)))  # noqa: B023

            outcomes = {answer.outcome for answer in said}
            assert outcomes <= {Outcome.SUCCEEDED, Outcome.UNKNOWN}
            assert side.effects(intent) == 1, operation

    def test_a_key_used_for_something_else_is_never_a_decline(self, desk, side):
        intent = desk.ready_for(Operation.REFUND)
        services.send(intent)
        other = replace(intent, request={**intent.request, "amount_minor": 2_000})

        said = services.send(other)

        assert ended(said) == ("UNKNOWN", "key_reused")
        assert side.effects(intent) == 1

    def test_two_refunds_of_one_amount_are_told_apart_by_their_keys(self, desk):
        reference = desk.captured()
        intents = [
            desk.intent(desk.request(Operation.REFUND, reference, amount=1_000)) for _ in range(3)
        ]
        first = refunded(services.send(intents[0]))
        second = refunded(services.send(intents[1]))

        assert first.provider_reference != second.provider_reference
        assert refunded(services.look_up(intents[0])) == first
        assert refunded(services.look_up(intents[1])) == second
        assert services.look_up(intents[2]).outcome is Outcome.ABSENT

    # --- the answer does not come

    @pytest.mark.parametrize("operation", MOVING)
    @pytest.mark.parametrize("kind", LOST_BEFORE)
    def test_lost_before_it_arrived(self, desk, side, operation, kind):
        intent = desk.ready_for(operation)
        side.break_next(operation, kind)

        said = services.send(intent)

        assert said.outcome is Outcome.UNKNOWN
        assert not said.unsent
        assert not said.answered
        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert services.send(intent).outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1

    @pytest.mark.parametrize("operation", MOVING)
    @pytest.mark.parametrize("kind", LOST_AFTER)
    def test_lost_after_it_was_done(self, desk, side, operation, kind):
        intent = desk.ready_for(operation)
        side.break_next(operation, kind)

        said = services.send(intent)

        assert said.outcome is Outcome.UNKNOWN
        assert not said.unsent
        assert services.look_up(intent).outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1
        assert services.send(intent).outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1

    @pytest.mark.parametrize("operation", MOVING)
    def test_an_error_before_anything_was_done(self, desk, side, operation):
        intent = desk.ready_for(operation)
        side.break_next(operation, "error_before")

        said = services.send(intent)

        assert said.outcome is Outcome.UNKNOWN
        assert said.answered == side.saves_errors
        assert services.look_up(intent).outcome is Outcome.ABSENT
        again = services.send(replace(intent, attempts=1))
        if side.saves_errors:  # the key is spent: only a new generation can do it
            assert again.outcome is Outcome.ABSENT
            assert not again.unsent
            again = services.send(replace(intent, op_key=f"{intent.op_key}0"))
        assert again.outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1

    @pytest.mark.parametrize("operation", MOVING)
    def test_an_error_after_it_was_done(self, desk, side, operation):
        intent = desk.ready_for(operation)
        side.break_next(operation, "error_after")

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.SUCCEEDED
        assert side.effects(intent) == 1

    @pytest.mark.parametrize("kind", [*LOST_BEFORE, *LOST_AFTER])
    def test_a_lost_creation_is_found_again_by_its_key(self, desk, side, kind):
        intent = desk.intent(desk.create_request())
        side.break_next(Operation.CREATE, kind)

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.ABSENT
        found = paid(services.send(intent))
        assert found == paid(services.send(intent))

    def test_a_provider_that_is_down_has_answered_nothing(self, desk, side):
        intent = desk.ready_for(Operation.CAPTURE)
        side.break_next(Operation.CAPTURE, "unavailable")

        said = services.send(intent)

        assert said.outcome is Outcome.UNKNOWN
        assert not said.unsent

    def test_a_look_up_that_fails_leaves_everything_unknown(self, desk, side):
        intent = desk.ready_for(Operation.CAPTURE)
        side.break_next(Operation.INSPECT, "error_before")

        said = services.look_up(intent)

        assert said.outcome is Outcome.UNKNOWN
        assert (said.unsent, said.answered) == (False, False)

    def test_an_object_that_is_not_there_is_no_answer(self, desk):
        said = desk.send(desk.request(Operation.CAPTURE, "pi_of_somebody_else"))

        assert ended(said) == ("UNKNOWN", "object_missing")

    # --- it never left

    def test_too_many_requests_were_not_carried_out(self, desk, side):
        intent = desk.ready_for(Operation.REFUND)
        side.break_next(Operation.REFUND, "rate_limit")

        said = services.send(intent)

        assert ended(said) == ("ABSENT", "rate_limited")
        assert said.unsent
        assert side.effects(intent) == 0

    def test_a_closed_door_proves_that_nothing_was_sent(self, desk, side, closed_port):
        intent = desk.ready_for(Operation.CAPTURE)
        away = side.elsewhere(f"http://127.0.0.1:{closed_port}")

        with providers.using(self.provider_name, away):
            said = services.send(intent)
            asked = services.look_up(intent)

        assert ended(said) == ("ABSENT", "not_sent")
        assert said.unsent
        assert (asked.outcome, asked.unsent) == (Outcome.UNKNOWN, False)

    def test_a_failed_handshake_proves_that_nothing_was_sent(self, desk, side, plain_port):
        intent = desk.ready_for(Operation.CAPTURE)

        with providers.using(self.provider_name, side.elsewhere(f"https://127.0.0.1:{plain_port}")):
            said = services.send(intent)

        assert ended(said) == ("ABSENT", "not_sent")
        assert said.unsent

    def test_a_second_attempt_proves_nothing_about_the_first(self, desk, side, closed_port):
        intent = replace(desk.ready_for(Operation.CAPTURE), attempts=1)

        with providers.using(self.provider_name, side.elsewhere(f"http://127.0.0.1:{closed_port}")):
            said = services.send(intent)

        assert ended(said) == ("UNKNOWN", "not_sent")
        assert not said.unsent

    def test_our_own_wrong_key_declines_nobody(self, desk, side):
        intent = desk.ready_for(Operation.CAPTURE)

        with providers.using(self.provider_name, side.with_wrong_key()):
            said = services.send(intent)

        assert ended(said) == ("ABSENT", "not_authenticated")
        assert said.unsent
        assert side.effects(intent) == 0
