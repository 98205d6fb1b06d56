"""The door through which sagas call providers: no transaction, one log line, nothing leaked."""

import os
from dataclasses import replace

import pytest
import structlog
from django.core.checks import Error
from django.db import transaction
from django.test import override_settings

from apps.core import db
from apps.gateways import providers, services
from apps.gateways.apps import check_live_settings
from apps.gateways.providers import paypal, stripe
from apps.gateways.providers.instant import Instant
from apps.gateways.tests.desk import Desk, Side, paid, refunded
from apps.gateways.types import Operation, PaymentStatus
from apps.sagas.definition import Outcome


class InstantSide(Side):
    good_token = "anything"
    provider = Instant()

    def break_next(self, operation, kind): ...
    def effects(self, intent): ...
    def provider_amount(self, reference): ...
    def authenticate(self, reference, *, passed): ...
    def expire(self, reference): ...
    def fail_refund(self, reference): ...
    def elsewhere(self, url): ...
    def with_wrong_key(self): ...


@pytest.fixture
def desk():
    return Desk(InstantSide())


class TestDoor:
    @pytest.mark.django_db(transaction=True)
    def test_no_call_is_made_in_a_transaction(self, desk):
        intent = desk.intent(desk.create_request())
        for ask in (services.send, services.look_up):
            with transaction.atomic(), pytest.raises(AssertionError):
                ask(intent)
            with db.unit(), pytest.raises(AssertionError):
                ask(intent)

    def test_one_line_is_logged_a_call_with_ids_and_without_what_was_sent(self, desk):
        intent = desk.intent(desk.create_request(token="tok_that_pays"))

        with structlog.testing.capture_logs() as lines:
            services.send(intent)

        (line,) = lines
        assert line["event"] == "gateways.call"
        assert (line["op_key"], line["outcome"]) == (intent.op_key, Outcome.SUCCEEDED)
        assert line["duration_ms"] >= 0
        assert "tok_that_pays" not in str(line)

    def test_what_a_provider_does_not_offer_is_declined(self, desk):
        class Lean(Instant):
            capabilities = frozenset({Operation.CREATE})

        reference = desk.created()
        with providers.using("instant", Lean()):
            said = desk.send(desk.request(Operation.CAPTURE, reference))

        assert (said.outcome, said.code) == (Outcome.FAILED, "operation_not_supported")

    def test_a_bug_of_ours_is_not_an_outcome(self, desk):
        intent = desk.intent(desk.create_request())

        with pytest.raises(providers.UnknownProvider):
            services.send(replace(intent, request={**intent.request, "provider": "nobody"}))

    def test_a_call_ends_before_its_lease_does(self):
        for adapter in (stripe, paypal):
            longest = adapter.CONNECT_SECONDS + adapter.READ_SECONDS
            assert services.CAPTURE.timeout_seconds >= longest

    def test_every_operation_of_a_provider_has_a_horizon(self):
        for name in providers.names():
            provider = providers.get(name)

            assert provider.capabilities <= set(provider.horizon_seconds), name
            assert all(provider.horizon_seconds[each] > 0 for each in provider.capabilities), name

    def test_how_long_a_key_is_honored_is_the_providers_word_on_that_operation(self, desk):
        class Forgetful(Instant):
            horizon_seconds = {**Instant.horizon_seconds, Operation.CREATE: 5.0}

        create = desk.intent(desk.create_request())
        capture = desk.intent(desk.request(Operation.CAPTURE, desk.created()))
        with providers.using("instant", Forgetful()):
            assert services.CREATE.horizon_seconds(create) == 5.0
            assert services.CAPTURE.horizon_seconds(capture) > 5.0


class TestInstant:
    def test_it_goes_the_whole_way_and_repeats_itself(self, desk):
        reference = desk.captured()
        refund = desk.intent(desk.request(Operation.REFUND, reference, amount=100))

        first, second = refunded(services.send(refund)), refunded(services.send(refund))

        assert first == second
        voided = paid(desk.send(desk.request(Operation.VOID, desk.authorized())))
        assert voided.status is PaymentStatus.VOIDED

    def test_two_payments_have_two_references(self, desk):
        assert desk.created() != desk.created()

    def test_a_look_up_says_that_sending_again_is_safe(self, desk):
        intent = desk.intent(desk.create_request())
        first = services.send(intent)

        assert services.look_up(intent).outcome is Outcome.ABSENT
        assert services.send(intent) == first


class TestProcess:
    def test_a_forked_child_builds_providers_of_its_own(self):
        ours = providers.get("stripe")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"same" if providers.get("stripe") is ours else b"own")
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)

        with os.fdopen(read, "rb") as told:
            assert told.read() == b"own"
        assert providers.get("stripe") is ours


LIVE = {
    "PAYSYS_MODE": "live",
    "STRIPE_API_KEY": "sk_live_1",
    "STRIPE_API_BASE": "https://api.stripe.com",
    "STRIPE_WEBHOOK_SECRETS": ["whsec_1"],
    "PAYPAL_CLIENT_ID": "AZDxjDScFpQtjWTOUtWKbyN_bDt4OgqaF4eYXlewfBP4",
    "PAYPAL_CLIENT_SECRET": "EGnHDxD_qRPdaLdZz8iCr8N7_MzF-YHPTkjs6NKYQvQS",
    "PAYPAL_API_BASE": "https://api-m.paypal.com",
    "PAYPAL_WEBHOOK_ID": "1JE4291016473214C",
    "STRIPE_ACCOUNT": "acct_1",
}


class TestLiveSettings:
    def test_a_proper_live_deployment_starts(self):
        with override_settings(**LIVE):
            assert check_live_settings() == []

    def test_one_without_paypal_starts_too(self):
        with override_settings(**{**LIVE, "PAYPAL_CLIENT_ID": "", "PAYPAL_WEBHOOK_ID": ""}):
            assert check_live_settings() == []

    @pytest.mark.parametrize(
        ("setting", "value", "error"),
        [
            ("STRIPE_API_KEY", "sk_test_simulator", "gateways.E001"),
            ("STRIPE_API_BASE", "http://127.0.0.1:8001", "gateways.E002"),
            ("STRIPE_WEBHOOK_SECRETS", [], "gateways.E003"),
            ("STRIPE_WEBHOOK_SECRETS", ["whsec_1", "whsec_simulator"], "gateways.E003"),
            ("PAYSYS_PROVIDER", "instant", "gateways.E004"),
            ("PAYPAL_CLIENT_ID", "simulator_client", "gateways.E005"),
            ("PAYPAL_CLIENT_SECRET", "simulator_secret", "gateways.E005"),
            ("PAYPAL_CLIENT_SECRET", "", "gateways.E005"),
            ("PAYPAL_API_BASE", "https://api-m.sandbox.paypal.com", "gateways.E006"),
            ("PAYPAL_WEBHOOK_ID", "", "gateways.E007"),
            ("PAYPAL_WEBHOOK_ID", "SIMULATORWEBHOOK1", "gateways.E007"),
            ("STRIPE_ACCOUNT", "", "gateways.E008"),
            ("STRIPE_ACCOUNT", "acct_simulator", "gateways.E008"),
        ],
    )
    def test_anything_of_the_test_stops_a_live_one(self, setting, value, error):
        with override_settings(**{**LIVE, setting: value}):
            (found,) = check_live_settings()

        assert isinstance(found, Error)
        assert found.id == error
