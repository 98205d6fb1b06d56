"""What every provider that sends money to banks must do, whatever its company.

A provider's test module derives from `PayoutContract` and gives it a `bank`: the provider itself,
connected to a double over HTTP, and the numbers with which the double behaves as wanted. The calls
go through `gateways.services`, as a saga makes them.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import transaction

from apps.core import clock, ids
from apps.gateways import providers, services
from apps.gateways.providers.base import Provider
from apps.gateways.tests.desk import ended
from apps.gateways.tests.lost_answers import LOST_AFTER, LOST_BEFORE
from apps.gateways.types import (
    AddBankRequest,
    InspectPayoutRequest,
    Operation,
    PayOutRequest,
    PayoutStatus,
    ProviderPayout,
    Request,
    freeze,
)
from apps.merchants import services as merchants
from apps.merchants.tests.makers import make_shop
from apps.merchants.types import BankDetails
from apps.sagas.definition import Intent, Observation, Outcome

HOLDER = "Rosalind Quincey"


class Bank(ABC):
    """A provider and the double behind it, with account numbers whose payouts end as they say."""

    provider: Provider
    arrives: ClassVar[str]
    fails: ClassVar[tuple[str, str]]  # the number, the provider's word for why
    refused: ClassVar[str]  # a number that the provider does not take at all
    amounts: ClassVar[tuple[tuple[str, int, int], ...]]  # currency, our units, the provider's

    @abstractmethod
    def break_next(self, operation: Operation, kind: str) -> None: ...

    @abstractmethod
    def made(self, intent: Intent) -> list[dict[str, Any]]:
        """What was ordered for the payout of this intent."""

    @abstractmethod
    def end(self, reference: str, result: str) -> None:
        """`pay`, `fail` or `return`."""

    @abstractmethod
    def elsewhere(self, url: str) -> Provider: ...


class Counter:
    """Makes the calls of one payout as its saga does."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.name = bank.provider.name
        self.book_id = make_shop().book_id
        self.payout_id = ids.new_id()
        self.number = 0

    def account(self, number: str, currency: str = "USD") -> UUID:
        bank_account_id = ids.new_id()
        details = BankDetails(HOLDER, number, "US", currency)
        with transaction.atomic():
            merchants.add_bank_account(
                book_id=self.book_id,
                bank_account_id=bank_account_id,
                details=details,
                actor="system",
                now=clock.now(),
            )
        return bank_account_id

    def intent(self, request: Request) -> Intent:
        self.number += 1
        return Intent(
            op_key=f"{self.payout_id}:TEST.{request.operation}:{self.number}",
            book_id=self.book_id,
            subject_id=self.payout_id,
            step="TEST",
            call=str(request.operation),
            request=freeze(request),
            created_at=clock.now(),
        )

    def add_bank(self, account_id: UUID) -> Intent:
        return self.intent(
            AddBankRequest(
                provider=self.name,
                payment_id=self.payout_id,
                bank_account_id=account_id,
                bank_account_public_id=ids.encode("ba", account_id),
            )
        )

    def destination(self, number: str, currency: str = "USD") -> str:
        said = services.send(self.add_bank(self.account(number, currency)))
        assert said.outcome is Outcome.SUCCEEDED, said
        return said.provider_reference

    def pay_out(self, destination: str, *, amount: int = 5_000, currency: str = "USD") -> Intent:
        return self.intent(
            PayOutRequest(
                provider=self.name,
                payment_id=self.payout_id,
                destination=destination,
                amount_minor=amount,
                currency=currency,
                payout_public_id=ids.encode("po", self.payout_id),
                ordered_at=clock.now().isoformat(),
            )
        )

    def inspect(self, reference: str) -> ProviderPayout:
        request = InspectPayoutRequest(
            provider=self.name, payment_id=self.payout_id, provider_reference=reference
        )
        return told(services.send(self.intent(request)))


def told(observation: Observation) -> ProviderPayout:
    assert observation.outcome is Outcome.SUCCEEDED, observation
    return ProviderPayout.from_json(observation.result)


@pytest.mark.django_db(transaction=True)
class PayoutContract(ABC):
    """The cases. A deriving class is named after its provider: `TestStripePayouts`."""

    provider_name: ClassVar[str]

    @pytest.fixture
    def bank(self) -> Bank:
        raise NotImplementedError

    @pytest.fixture
    def counter(self, bank: Bank) -> Iterator[Counter]:
        with providers.using(self.provider_name, bank.provider):
            yield Counter(bank)

    # --- the good way, and how it ends otherwise

    def test_a_payout_is_ordered_and_arrives(self, counter, bank):
        intent = counter.pay_out(counter.destination(bank.arrives))
        ordered = told(services.send(intent))
        assert ordered.status in (PayoutStatus.PENDING, PayoutStatus.IN_TRANSIT)
        assert (ordered.amount_minor, ordered.currency) == (5_000, "USD")
        assert ordered.op_key == intent.op_key
        assert ordered.expected_on

        bank.end(ordered.provider_reference, "pay")

        assert counter.inspect(ordered.provider_reference).status is PayoutStatus.PAID
        assert len(bank.made(intent)) == 1

    def test_one_that_fails_says_why(self, counter, bank):
        number, why = bank.fails
        intent = counter.pay_out(counter.destination(number))
        ordered = told(services.send(intent))
        bank.end(ordered.provider_reference, "fail")

        failed = counter.inspect(ordered.provider_reference)
        assert (failed.status, failed.provider_code) == (PayoutStatus.FAILED, why)
        assert ended(services.look_up(intent)) == ("FAILED", "payout_failed")

    def test_one_that_was_paid_may_come_back(self, counter, bank):
        ordered = told(services.send(counter.pay_out(counter.destination(bank.arrives))))
        bank.end(ordered.provider_reference, "pay")
        bank.end(ordered.provider_reference, "return")

        assert counter.inspect(ordered.provider_reference).status is PayoutStatus.FAILED

    # --- what nobody may read

    def test_nothing_that_is_kept_of_a_call_holds_the_number(self, counter, bank, caplog):
        intent = counter.add_bank(counter.account(bank.arrives))
        said = services.send(intent)

        kept = json.dumps(intent.request) + json.dumps(said.result) + said.message + caplog.text
        assert bank.arrives not in kept
        assert HOLDER not in kept

    def test_a_removed_account_is_not_told(self, counter, bank):
        account = counter.account(bank.arrives)
        intent = counter.add_bank(account)
        merchants.remove_bank_account(
            book_id=counter.book_id, bank_account_id=account, actor="system", now=clock.now()
        )

        assert ended(services.send(intent)) == ("FAILED", "bank_account_removed")

    # --- the provider says no

    def test_a_number_it_does_not_take_is_refused(self, counter, bank):
        said = services.send(counter.add_bank(counter.account(bank.refused)))
        assert ended(said) == ("FAILED", "bank_account_invalid")
        assert bank.refused not in said.message

    def test_an_account_it_does_not_know_is_refused(self, counter):
        said = services.send(counter.pay_out("ba_of_somebody_else"))
        assert ended(said) == ("FAILED", "bank_account_invalid")

    # --- one key, one effect

    def test_the_same_key_twice_pays_once(self, counter, bank):
        intent = counter.pay_out(counter.destination(bank.arrives))
        first, second = services.send(intent), services.send(intent)

        assert first.result == second.result
        assert len(bank.made(intent)) == 1

    def test_two_workers_with_the_same_key_pay_once(self, counter, bank):
        intent = counter.pay_out(counter.destination(bank.arrives))
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda _: services.send(intent), range(8)))

        assert {one.outcome for one in said} <= {Outcome.SUCCEEDED, Outcome.UNKNOWN}
        assert len(bank.made(intent)) == 1

    def test_the_same_account_under_the_same_key_is_added_once(self, counter, bank):
        intent = counter.add_bank(counter.account(bank.arrives))
        assert services.send(intent).result == services.send(intent).result

    def test_two_payouts_of_one_amount_are_told_apart_by_their_keys(self, counter, bank):
        destination = counter.destination(bank.arrives)
        intents = [counter.pay_out(destination) for _ in range(3)]
        first, second = (told(services.send(intent)) for intent in intents[:2])

        assert told(services.look_up(intents[0])) == first
        assert told(services.look_up(intents[1])) == second
        assert services.look_up(intents[2]).outcome is Outcome.ABSENT

    # --- the answer does not come

    @pytest.mark.parametrize("kind", LOST_BEFORE)
    def test_lost_before_it_arrived(self, counter, bank, kind):
        intent = counter.pay_out(counter.destination(bank.arrives))
        bank.break_next(Operation.PAY_OUT, kind)

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert services.send(intent).outcome is Outcome.SUCCEEDED
        assert len(bank.made(intent)) == 1

    @pytest.mark.parametrize("kind", [*LOST_AFTER, "error_after"])
    def test_lost_after_it_was_done(self, counter, bank, kind):
        intent = counter.pay_out(counter.destination(bank.arrives))
        bank.break_next(Operation.PAY_OUT, kind)

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.SUCCEEDED
        assert len(bank.made(intent)) == 1

    def test_an_error_that_was_saved_before_anything_was_done(self, counter, bank):
        intent = counter.pay_out(counter.destination(bank.arrives))
        bank.break_next(Operation.PAY_OUT, "error_before")

        assert services.send(intent).answered
        assert services.look_up(intent).outcome is Outcome.ABSENT
        # The key is spent: only a new generation can do it.
        assert services.send(replace(intent, attempts=1)).outcome is Outcome.ABSENT
        assert services.send(replace(intent, op_key=f"{intent.op_key}0")).outcome == "SUCCEEDED"
        assert len(bank.made(intent)) == 1

    @pytest.mark.parametrize("kind", [*LOST_BEFORE, *LOST_AFTER])
    def test_a_lost_bank_account_is_found_again_by_its_key(self, counter, bank, kind):
        intent = counter.add_bank(counter.account(bank.arrives))
        bank.break_next(Operation.ADD_BANK, kind)

        assert services.send(intent).outcome is Outcome.UNKNOWN
        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert services.send(intent).result == services.send(intent).result

    def test_a_closed_door_proves_that_nothing_was_sent(self, counter, bank, closed_port):
        intent = counter.pay_out(counter.destination(bank.arrives))
        away = bank.elsewhere(f"http://127.0.0.1:{closed_port}")
        with providers.using(self.provider_name, away):
            said = services.send(intent)

        assert said.unsent
        assert bank.made(intent) == []

    # --- amounts

    def test_amounts_arrive_in_the_providers_units_and_return_in_ours(self, counter, bank):
        for currency, ours, theirs in bank.amounts:
            destination = counter.destination(bank.arrives, currency)
            intent = counter.pay_out(destination, amount=ours, currency=currency)
            ordered = told(services.send(intent))

            assert (ordered.amount_minor, ordered.currency) == (ours, currency)
            assert bank.made(intent)[-1]["amount"] == theirs, currency
