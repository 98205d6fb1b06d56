"""The reference a customer writes: always the same, found in any text, never by mistake."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iso11649

from apps.core import ids
from apps.payments.checks import bank_accounts
from apps.payments.services.bank_transfers import find_reference, reference_of

BANK = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=1)
ANY_ID = st.uuids()


class TestAReference:
    @settings(deadline=None, max_examples=300)
    @given(payment_id=ANY_ID)
    def test_is_an_iso_11649_one_and_always_the_same(self, payment_id: UUID) -> None:
        reference = reference_of(payment_id)

        assert iso11649.validate(reference) == reference
        assert (len(reference), reference) == (20, reference_of(payment_id))

    @settings(deadline=None, max_examples=300)
    @given(payment_id=ANY_ID, before=st.text(max_size=20), after=st.text(max_size=20))
    def test_is_found_in_whatever_is_around_it(
        self, payment_id: UUID, before: str, after: str
    ) -> None:
        reference = reference_of(payment_id)
        shown = iso11649.format(reference)

        assert find_reference(f"{before} {reference} {after}") == reference
        assert find_reference(f"{before}\n{shown.lower()}\t{after}") == reference

    @settings(deadline=None, max_examples=300)
    @given(payment_id=ANY_ID, place=st.integers(2, 19), typed=BANK)
    def test_is_not_found_with_one_character_wrong(
        self, payment_id: UUID, place: int, typed: str
    ) -> None:
        reference = reference_of(payment_id)
        wrong = reference[:place] + typed + reference[place + 1 :]

        assert find_reference(wrong) == (reference if wrong == reference else "")

    @settings(deadline=None, max_examples=300)
    @given(text=st.text(max_size=60))
    def test_is_not_seen_where_there_is_none(self, text: str) -> None:
        assert find_reference(text) == ""

    def test_of_one_payment_is_not_anothers(self) -> None:
        made = [reference_of(ids.new_id()) for _ in range(2_000)]

        assert len(set(made)) == len(made)


class TestTheAccountsToPayTo:
    @pytest.mark.parametrize(
        ("accounts", "says"),
        [
            ([], "no JSON object"),
            ({"XAU": {"holder": "x", "account_number": "1"}}, "XAU: no currency"),
            ({"EUR": {"holder": "x", "iban": "DE89370400440532013001"}}, "iban has a typing"),
            ({"USD": {"holder": "x", "routing_number": "110000001", "account_number": "1"}}, "rou"),
            ({"USD": {"holder": "x"}}, "neither iban nor account_number"),
            ({"USD": {"account_number": "1"}}, "no holder"),
            ({"USD": "DE89"}, "an object of texts"),
            ({"USD": {"holder": 1}}, "an object of texts"),
        ],
    )
    def test_are_refused_when_they_cannot_be(self, settings: Any, accounts: Any, says: str) -> None:
        settings.PAYSYS_BANK_ACCOUNTS = accounts

        (found,) = bank_accounts()

        assert says in found.msg

    def test_of_a_test_machine_can_be(self) -> None:
        assert bank_accounts() == []
