"""A call is promised before it is made, its end is recorded once, and no payment has two open."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection

from apps.core import db, ids
from apps.gateways import selectors
from apps.gateways.models import ProviderCall, ProviderObject
from apps.gateways.services import journal
from apps.gateways.types import (
    CaptureRequest,
    CreateRequest,
    PaymentStatus,
    ProviderPayment,
    RefundRequest,
    freeze,
    thaw,
)
from apps.sagas.definition import Intent, Observation, Outcome

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=3)
BOOK = UUID(int=11)

UNKNOWN = Observation(Outcome.UNKNOWN, code="timeout", message="no answer")
ABSENT = Observation(Outcome.ABSENT)


def succeeded(reference: str = "pi_1") -> Observation:
    payment = ProviderPayment(
        provider_reference=reference,
        status=PaymentStatus.CREATED,
        amount_minor=100,
        currency="USD",
    )
    return Observation(Outcome.SUCCEEDED, result=payment.as_json(), provider_reference=reference)


def promise(
    *,
    payment_id: UUID | None = None,
    subject_id: UUID | None = None,
    run_id: UUID | None = None,
    generation: int = 1,
    book_id: UUID = BOOK,
    call: str = "create",
) -> Intent:
    payment_id = payment_id or ids.new_id()
    subject_id = subject_id or payment_id
    request = CreateRequest(
        provider="stripe",
        payment_id=payment_id,
        amount_minor=100,
        currency="USD",
        token="pm_card_visa",
        payment_public_id=ids.encode("pay", payment_id),
    )
    with db.unit():
        return journal.open(
            book_id=book_id,
            subject_id=subject_id,
            run_id=run_id or ids.new_id(),
            step="AUTHORIZE",
            call=call,
            op_key=f"{subject_id}:AUTHORIZE.{call}:{generation}",
            request=freeze(request),
            now=NOW,
        )


def observe(intent: Intent, observation: Observation) -> None:
    with db.unit():
        journal.observe(intent=intent, observation=observation, now=LATER)


def stored(intent: Intent) -> ProviderCall:
    return ProviderCall.objects.get(op_key=intent.op_key)


class TestPromise:
    def test_a_promise_is_stored_with_its_frozen_request(self):
        intent = promise()

        call = stored(intent)
        assert call.outcome == "PENDING"
        assert call.request == intent.request
        assert (call.provider, call.payment_id) == ("stripe", intent.subject_id)
        assert (call.created_at, call.observed_at, call.attempts) == (NOW, None, 0)

    def test_requests_survive_the_way_through_the_database(self):
        requests = [
            CaptureRequest(
                provider="stripe",
                payment_id=ids.new_id(),
                provider_reference="pi_1",
                amount_minor=10**12,
                currency="JPY",
            ),
            RefundRequest(
                provider="stripe",
                payment_id=ids.new_id(),
                provider_reference="pi_1",
                amount_minor=1,
                currency="USD",
                refund_public_id="re_1",
                fraudulent=True,
            ),
        ]
        for request in requests:
            run_id = ids.new_id()
            with db.unit():
                journal.open(
                    book_id=BOOK,
                    subject_id=ids.new_id(),
                    run_id=run_id,
                    step="S",
                    call="c",
                    op_key=f"{run_id}",
                    request=freeze(request),
                    now=NOW,
                )

            found = journal.find_open(run_id=run_id)

            assert found is not None
            assert thaw(found.request) == request

    def test_nothing_is_promised_by_a_unit_that_fails(self):
        def promise_and_fail() -> None:
            with db.unit():
                promise()
                db.require("false", what="test: refused")

        with pytest.raises(db.GuardFailed):
            promise_and_fail()

        assert not ProviderCall.objects.exists()

    def test_one_key_is_promised_once(self):
        intent = promise()
        observe(intent, ABSENT)

        with pytest.raises(IntegrityError, match="gateways_provider_call_op_key"):
            promise(payment_id=intent.subject_id)

    def test_a_new_generation_may_follow_a_proof_of_no_effect(self):
        intent = promise()
        observe(intent, ABSENT)

        promise(payment_id=intent.subject_id, generation=2)

        assert ProviderCall.objects.count() == 2


class TestOneOpenCall:
    def test_a_payment_has_one_open_call_whatever_its_subject(self):
        intent = promise()

        with pytest.raises(IntegrityError, match="gateways_provider_call_one_open"):
            promise(payment_id=intent.subject_id, subject_id=ids.new_id())

        assert ProviderCall.objects.count() == 1

    def test_an_unknown_call_keeps_the_slot(self):
        intent = promise()
        observe(intent, UNKNOWN)

        with pytest.raises(IntegrityError):
            promise(payment_id=intent.subject_id, subject_id=ids.new_id())
        found = selectors.find_open_call(book_id=BOOK, payment_id=intent.subject_id)
        assert found is not None
        assert found.op_key == intent.op_key

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABSENT])
    def test_a_closed_call_frees_it(self, outcome):
        intent = promise()
        observe(intent, Observation(outcome))

        assert selectors.find_open_call(book_id=BOOK, payment_id=intent.subject_id) is None
        promise(payment_id=intent.subject_id, subject_id=ids.new_id(), call="refund")

    def test_other_payments_are_not_in_the_way(self):
        promise()
        promise()

        assert ProviderCall.objects.filter(outcome="PENDING").count() == 2


class TestObservation:
    def test_an_answer_is_recorded_and_the_objects_name_learned(self):
        intent = promise()
        observe(intent, succeeded("pi_9"))

        call = stored(intent)
        assert (call.outcome, call.provider_reference, call.attempts) == ("SUCCEEDED", "pi_9", 1)
        assert call.observed_at == LATER
        assert ProviderPayment.from_json(call.result).provider_reference == "pi_9"
        assert selectors.find_owner(provider="stripe", reference="pi_9") == selectors.Owner(
            BOOK, intent.subject_id
        )
        assert selectors.find_owner(provider="paypal", reference="pi_9") is None

    def test_the_parts_of_an_object_have_the_same_owner(self):
        intent = promise()
        told = succeeded("pi_9")
        told.result["also_known_as"] = ["auth_9", "cap_9"]

        with db.unit():
            journal.observe(intent=intent, observation=told, now=LATER)

        owners = {
            name: selectors.find_owner(provider="stripe", reference=name)
            for name in ("pi_9", "auth_9", "cap_9")
        }
        assert set(owners.values()) == {selectors.Owner(BOOK, intent.subject_id)}

    def test_unknown_may_stay_unknown_and_end(self):
        run_id = ids.new_id()
        intent = promise(run_id=run_id)
        observe(intent, UNKNOWN)
        observe(intent, replace(UNKNOWN, answered=True))
        observe(intent, UNKNOWN)

        found = journal.find_open(run_id=run_id)
        assert found is not None
        assert (found.outcome, found.attempts, found.answered) == (Outcome.UNKNOWN, 3, True)
        observe(found, succeeded())
        assert journal.find_open(run_id=run_id) is None

    def test_whoever_finds_an_open_call_counts_it_as_tried(self):
        run_id = ids.new_id()
        promised = promise(run_id=run_id)

        found = journal.find_open(run_id=run_id)

        assert promised.attempts == 0
        assert found is not None
        assert found.attempts == 1, "the worker that promised it may have died sending it"

    @pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABSENT])
    def test_a_closed_call_is_never_observed_again(self, outcome):
        intent = promise()
        observe(intent, Observation(outcome, code="first"))

        with pytest.raises(db.GuardFailed):
            observe(intent, succeeded())

        assert (stored(intent).outcome, stored(intent).code) == (outcome, "first")
        assert not ProviderObject.objects.exists()

    def test_an_object_that_is_known_is_not_named_again(self):
        payment_id = ids.new_id()
        request = CaptureRequest(
            provider="stripe",
            payment_id=payment_id,
            provider_reference="pi_9",
            amount_minor=1,
            currency="USD",
        )
        with db.unit():
            intent = journal.open(
                book_id=BOOK,
                subject_id=payment_id,
                run_id=ids.new_id(),
                step="CAPTURE",
                call="capture",
                op_key="k",
                request=freeze(request),
                now=NOW,
            )
        observe(intent, succeeded("pi_9"))

        assert not ProviderObject.objects.exists()


class TestGuards:
    """What the database refuses, whoever asks."""

    def refused(self, sql: str, sqlstate: str) -> None:
        with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
            cursor.execute(sql)
        assert caught.value.__cause__.sqlstate == sqlstate

    @pytest.mark.parametrize(
        "change",
        [
            "request = '{}'",
            "op_key = 'another'",
            "payment_id = gen_random_uuid()",
            "book_id = gen_random_uuid()",
            "run_id = gen_random_uuid()",
            "created_at = created_at - interval '1 day'",
            "provider = 'paypal'",
            "outcome = 'PENDING'",
            "attempts = 0",
        ],
    )
    def test_what_was_promised_is_frozen(self, change):
        observe(promise(), UNKNOWN)

        self.refused(
            f"UPDATE gateways_provider_call SET attempts = attempts + 1, {change}"
            if not change.startswith("attempts")
            else f"UPDATE gateways_provider_call SET {change}",
            "GW003",
        )

    def test_an_end_is_not_rewritten(self):
        observe(promise(), Observation(Outcome.FAILED, code="card_declined"))

        self.refused(
            "UPDATE gateways_provider_call SET outcome = 'SUCCEEDED', attempts = attempts + 1",
            "GW002",
        )

    def test_a_call_does_not_begin_with_its_end(self):
        promise()
        columns = "book_id, payment_id, subject_id, run_id, step, call, provider, request, code, "
        columns += "message, result, provider_reference, answered, attempts, created_at"

        self.refused(
            f"INSERT INTO gateways_provider_call (id, op_key, outcome, observed_at, {columns}) "
            f"SELECT gen_random_uuid(), 'new', 'SUCCEEDED', now(), {columns} "
            "FROM gateways_provider_call",
            "GW004",
        )

    @pytest.mark.parametrize(
        ("sql", "sqlstate"),
        [
            ("DELETE FROM gateways_provider_call", "GW001"),
            ("TRUNCATE gateways_provider_call", "GW001"),
            ("TRUNCATE gateways_inbound_event", "GW001"),
            ("DELETE FROM gateways_provider_object", "PS002"),
            ("UPDATE gateways_provider_object SET reference = 'pi_2'", "PS002"),
            ("TRUNCATE gateways_provider_object", "PS002"),
        ],
    )
    def test_nothing_is_removed(self, sql, sqlstate):
        observe(promise(), succeeded())

        self.refused(sql, sqlstate)

    def test_every_invariant_holds_after_a_busy_day(self):
        for observation in (UNKNOWN, ABSENT, succeeded("pi_1"), Observation(Outcome.FAILED)):
            observe(promise(), observation)
        promise()

        for invariant in selectors.INVARIANTS:
            with connection.cursor() as cursor:
                cursor.execute(invariant.sql)
                assert cursor.fetchall() == [], invariant.name

    def test_a_card_number_in_a_request_would_be_found(self):
        promise()
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                'UPDATE gateways_provider_call SET request = \'{"token": "4242424242424242"}\''
            )
            cursor.execute("SET session_replication_role = origin")
            found = [i for i in selectors.INVARIANTS if _violations(cursor, i.sql)]

        assert [invariant.name for invariant in found] == [
            "gateways.no_card_in_provider_call_request"
        ]


def _violations(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchall()


class TestLists:
    def test_the_calls_of_a_payment_and_its_refunds_are_found_by_subject(self):
        payment_id, refund_id = ids.new_id(), ids.new_id()
        first = promise(payment_id=payment_id)
        observe(first, succeeded())
        second = promise(payment_id=payment_id, subject_id=refund_id, call="refund")
        promise()

        found = selectors.list_calls(book_id=BOOK, subject_ids=[payment_id, refund_id])

        assert [call.op_key for call in found] == [first.op_key, second.op_key]
        assert selectors.list_calls(book_id=UUID(int=12), subject_ids=[payment_id]) == []
        assert selectors.list_calls(book_id=BOOK, subject_ids=[]) == []
