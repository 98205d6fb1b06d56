"""The moves of a payment: one table in Python, django-fsm from it, and the database's own copy."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError
from django_fsm import TransitionNotAllowed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import clock, ids
from apps.payments import states
from apps.payments.models import Payment, Refund, headline_of
from apps.payments.tests import rows
from apps.payments.tests.rows import CAPTURED, move, payment_row, plant, refund_row, sqlstate_of
from apps.payments.types import RefundStatus, Status

# What one commit may write at once; more of it where a wallet pays everything.
BEGINNINGS = (Status.CREATED, Status.VALIDATED)
BEGINNINGS_OF_A_WALLET = (*BEGINNINGS, Status.AUTHORIZED, Status.CAPTURED, Status.SETTLED)
ILLEGAL_MOVE, FROZEN, UNDELETABLE, CHECK_VIOLATED = "PY001", "PY002", "PS002", "23514"


def transitions() -> list[Any]:
    return list(Payment._meta.get_field("status").get_all_transitions(Payment))


class TestTheTableOfMoves:
    def test_is_the_one_that_django_fsm_uses(self) -> None:
        moves = {(str(t.source), str(t.target)) for t in transitions() if t.name != "mark_headline"}

        assert moves == {
            (str(source), str(to)) for sources, to in states.MOVES.values() for source in sources
        }

    def test_lets_a_headline_follow_a_headline_alone(self) -> None:
        sources = {t.source for t in transitions() if t.name == "mark_headline"}

        assert sources == set(states.HEADLINES) == set(CAPTURED)

    def test_leaves_nothing_after_an_end(self) -> None:
        assert not {move for move in states.legal_moves() if move[0] in states.FINAL}

    @pytest.mark.parametrize("source", list(Status))
    def test_is_the_one_that_the_database_keeps(self, source: Status) -> None:
        legal = {to for origin, to in states.legal_moves() if origin == source}

        for target in Status:
            payment = plant(payment_row(source))
            refused = move(payment.id, target)
            expected = "" if target == source or target in legal else ILLEGAL_MOVE
            assert refused == expected, f"{source} -> {target}"

    def test_is_enforced_by_django_fsm_too(self) -> None:
        payment = payment_row(Status.VOIDED)

        with pytest.raises(TransitionNotAllowed):
            payment.mark_authorized()
        with pytest.raises(AttributeError):
            payment.status = Status.CAPTURED


class TestAPayment:
    @pytest.mark.parametrize("status", [s for s in Status if s not in BEGINNINGS])
    def test_begins_as_created_and_validated_at_most(self, status: Status) -> None:
        with pytest.raises(DatabaseError) as refused:
            payment_row(status).save(force_insert=True)

        assert refused.value.__cause__.sqlstate == ILLEGAL_MOVE  # type: ignore[union-attr]
        assert not Payment.objects.exists()

    @pytest.mark.parametrize("status", list(Status))
    @pytest.mark.parametrize("wallet_amount", [60, 100])
    def test_begins_as_what_a_wallet_alone_can_make_of_it(
        self, status: Status, wallet_amount: int
    ) -> None:
        part = {"wallet_amount": wallet_amount, "wallet_id": ids.new_id(), "hold_id": ids.new_id()}
        allowed = BEGINNINGS_OF_A_WALLET if wallet_amount == 100 else BEGINNINGS
        row = payment_row(status, **part)

        if status in allowed:
            row.save(force_insert=True)
            assert Payment.objects.get().status == status
            return
        with pytest.raises(DatabaseError) as refused:
            row.save(force_insert=True)
        assert refused.value.__cause__.sqlstate == ILLEGAL_MOVE  # type: ignore[union-attr]

    @pytest.mark.parametrize("status", list(Status))
    def test_begins_as_authorized_where_the_customer_has_a_reference(self, status: Status) -> None:
        row = payment_row(status, method="bank_transfer", provider="")

        if status in (*BEGINNINGS, Status.AUTHORIZED):
            row.save(force_insert=True)
            assert Payment.objects.get().status == status
            return
        with pytest.raises(DatabaseError) as refused:
            row.save(force_insert=True)
        assert refused.value.__cause__.sqlstate == ILLEGAL_MOVE  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("amount", "200"),
            ("currency", "EUR"),
            ("source", "pm_card_mastercard"),
            ("destination", "merchant_y"),
            ("created_at", "2020-01-01T00:00:00Z"),
            ("book_id", "00000000-0000-0000-0000-000000000001"),
            ("id", "00000000-0000-0000-0000-000000000001"),
        ],
    )
    def test_never_changes_what_it_is_about(self, column: str, value: str) -> None:
        payment = plant(payment_row(Status.VALIDATED))

        update = f"UPDATE payments_payment SET {column} = %s WHERE id = %s"

        assert sqlstate_of(update, value, payment.id) == FROZEN

    def test_is_captured_once(self) -> None:
        payment = plant(payment_row(Status.CAPTURED, amount_captured=Decimal(60)))

        update = "UPDATE payments_payment SET amount_captured = %s WHERE id = %s"

        assert sqlstate_of(update, 70, payment.id) == FROZEN
        assert sqlstate_of(update, 50, payment.id) == FROZEN

    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"])
    @pytest.mark.parametrize("table", ["payments_payment", "payments_refund"])
    def test_is_never_deleted(self, table: str, statement: str) -> None:
        payment = plant(payment_row())
        plant(refund_row(payment))

        assert sqlstate_of(statement.format(table)) == UNDELETABLE

        assert (Payment.objects.count(), Refund.objects.count()) == (1, 1)

    @pytest.mark.parametrize(
        "facts",
        [
            {"amount": Decimal(0)},
            {"amount": Decimal(-1)},
            {"amount_authorized": Decimal(101)},
            {"amount_authorized": Decimal(99)},
            {"refund_reserved": Decimal(101)},
            {"refund_reserved": Decimal(50), "amount_disputed": Decimal(51)},
            {"amount_refunded": Decimal(1)},
            {"amount_excess": Decimal(-1)},
            {"fee": Decimal(101)},
            {"fee": Decimal(2), "fee_returnable": Decimal(3)},
            {"fee": Decimal(2), "fee_returnable": Decimal(1), "fee_returned": Decimal(2)},
            {"fee_returned": Decimal(-1)},
            {"amount_captured": Decimal(0)},
        ],
    )
    def test_cannot_hold_facts_that_contradict_each_other(self, facts: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError):
            plant(payment_row(Status.CAPTURED, **facts))

    def test_that_is_not_captured_has_captured_nothing(self) -> None:
        with pytest.raises(IntegrityError):
            plant(
                payment_row(
                    Status.AUTHORIZED, amount_authorized=Decimal(100), amount_captured=Decimal(100)
                )
            )


AMOUNTS = st.sampled_from([Decimal(0), Decimal(40), Decimal(60), Decimal(100), Decimal(140)])


class TestAHeadline:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        captured=st.sampled_from([Decimal(60), Decimal(100)]),
        refunded=AMOUNTS,
        disputed=AMOUNTS,
        charged_back=AMOUNTS,
        is_settled=st.booleans(),
    )
    def test_is_the_only_one_that_the_database_takes_for_its_facts(
        self,
        captured: Decimal,
        refunded: Decimal,
        disputed: Decimal,
        charged_back: Decimal,
        is_settled: bool,
    ) -> None:
        headline = headline_of(
            captured=captured,
            refunded=refunded,
            disputed=disputed,
            charged_back=charged_back,
            is_settled=is_settled,
        )
        facts = {
            "amount_captured": captured,
            "amount_authorized": captured,
            "refund_reserved": refunded,
            "amount_refunded": refunded,
            "amount_disputed": disputed,
            "amount_charged_back": charged_back,
            "amount_excess": max(refunded + disputed + charged_back - captured, Decimal(0)),
            "settled_at": clock.now() if is_settled else None,
        }
        payment = plant(payment_row(headline, **facts))

        assert payment.headline == headline
        for status in CAPTURED:
            with rows.behind_triggers():
                taken = sqlstate_of(
                    "UPDATE payments_payment SET status = %s WHERE id = %s", status, payment.id
                )
            assert taken == ("" if status == headline else CHECK_VIOLATED), status


class TestARefund:
    @pytest.mark.parametrize(("source", "target"), list(product(RefundStatus, repeat=2)))
    def test_goes_forward_only(self, source: RefundStatus, target: RefundStatus) -> None:
        legal = {
            (RefundStatus.PENDING, RefundStatus.SUCCEEDED),
            (RefundStatus.PENDING, RefundStatus.FAILED),
            (RefundStatus.SUCCEEDED, RefundStatus.FAILED),
        }
        refund = plant(refund_row(plant(payment_row(Status.CAPTURED)), source))

        refused = sqlstate_of(
            "UPDATE payments_refund SET status = %s WHERE id = %s", str(target), refund.id
        )

        is_legal = source == target or (source, target) in legal
        assert refused == ("" if is_legal else ILLEGAL_MOVE)
        fsm = {(t.source, t.target) for t in refund._meta.get_field("status")
               .get_all_transitions(Refund)}  # fmt: skip
        assert fsm == legal

    @pytest.mark.parametrize("status", [RefundStatus.SUCCEEDED, RefundStatus.FAILED])
    def test_begins_as_pending(self, status: RefundStatus) -> None:
        payment = plant(payment_row(Status.CAPTURED))

        with pytest.raises(DatabaseError) as refused:
            refund_row(payment, status).save(force_insert=True)

        assert refused.value.__cause__.sqlstate == ILLEGAL_MOVE  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("amount", "1"),
            ("fee_returned", "1"),
            ("currency", "EUR"),
            ("payment_id", "00000000-0000-0000-0000-000000000001"),
            ("book_id", "00000000-0000-0000-0000-000000000001"),
        ],
    )
    def test_never_changes_what_it_is_about(self, column: str, value: str) -> None:
        refund = plant(refund_row(plant(payment_row(Status.CAPTURED))))

        update = f"UPDATE payments_refund SET {column} = %s WHERE id = %s"

        assert sqlstate_of(update, value, refund.id) == FROZEN
