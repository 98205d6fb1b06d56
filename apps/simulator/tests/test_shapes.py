"""What we emit looks like Stripe's: against its published samples, and against the pinned SDK."""

import gzip
import json
from pathlib import Path

import pytest
import stripe
from django.conf import settings

from .conftest import Shop, client_of, wire_to

SAMPLES = settings.BASE_DIR.parent / "shared" / "data" / "specs" / "stripe" / "fixtures3.json.gz"

CLASSES = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "payment_method": stripe.PaymentMethod,
    "balance_transaction": stripe.BalanceTransaction,
    "payout": stripe.Payout,
    "event": stripe.Event,
    "dispute": stripe.Dispute,
    "customer": stripe.Customer,
}
# What an adapter reads; each must be there whatever the object went through.
READ = {
    "payment_intent": {
        "id", "status", "amount", "amount_capturable", "amount_received", "currency", "metadata",
        "latest_charge", "last_payment_error", "next_action", "cancellation_reason",
        "capture_method", "payment_method", "client_secret", "canceled_at",
    },
    "charge": {
        "id", "status", "amount", "amount_captured", "amount_refunded", "balance_transaction",
        "captured", "paid", "payment_intent", "payment_method_details", "outcome", "failure_code",
        "disputed", "metadata",
    },
    "refund": {
        "id", "status", "amount", "charge", "payment_intent", "currency", "metadata",
        "balance_transaction",
    },
    "payment_method": {"id", "type", "card", "customer"},
    "balance_transaction": {
        "id", "type", "amount", "fee", "net", "currency", "source", "available_on", "created",
        "status", "reporting_category",
    },
    "payout": {"id", "status", "amount", "currency", "arrival_date", "balance_transaction"},
    "event": {"id", "type", "data", "created", "api_version", "livemode", "request"},
    "dispute": {
        "id", "status", "amount", "charge", "payment_intent", "reason", "currency",
        "evidence_details", "balance_transactions",
    },
    "customer": {"id", "name", "email", "metadata"},
}  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    if not Path(SAMPLES).exists():
        pytest.skip(f"Stripe's sample objects are not beside this checkout ({SAMPLES.name})")
    with gzip.open(SAMPLES) as file:
        return json.load(file)["resources"]


@pytest.fixture(scope="module")
def emitted(simulator_process):
    """One world in which every kind of object went through all that it can."""
    simulator = simulator_process
    simulator.reset()
    client, wire = client_of(simulator), wire_to(simulator)
    make, paid = Shop(client).make, Shop(client).paid
    customer = client.v1.customers.create({"name": "Ada", "metadata": {"a": "b"}})
    attached = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    make(attached.id, customer=customer.id)
    make(confirm=False)
    make("pm_card_threeDSecure2Required", options={"return_url": "https://shop.example/"})
    simulator.fail_3ds(make("pm_card_threeDSecure2Required").id)
    simulator.pass_3ds(make("pm_card_authenticationRequired").id)
    with pytest.raises(stripe.CardError):
        make("pm_card_visa_chargeDeclined")
    client.v1.payment_intents.cancel(make().id, {"cancellation_reason": "abandoned"})
    simulator.expire(make().id)
    for card in ("pm_card_visa", "pm_card_refundFail", "pm_card_pendingRefund"):
        client.v1.refunds.create({"payment_intent": paid(card).id, "amount": 400})
    simulator.settle()
    paid("pm_card_createDispute")
    paid(amount=90_000)
    simulator.pay_out()
    found = {}
    for kind in CLASSES:
        if kind not in ("payment_method", "customer"):
            found[kind] = wire("GET", f"/v1/{kind}s?limit=100").json["data"]
    found["customer"] = [wire("GET", f"/v1/customers/{customer.id}").json]
    found["payment_method"] = [wire("GET", f"/v1/payment_methods/{attached.id}").json]
    return found


def is_like(value, sample):
    """Of the same JSON type; null is allowed on both sides, for samples are only samples."""
    if value is None or sample is None:
        return True
    return type(value) is type(sample)


class TestShapes:
    @pytest.mark.parametrize("kind", CLASSES)
    def test_every_key_is_known_and_has_its_type(self, emitted, samples, kind):
        sample = samples[kind]
        known = set(sample) | set(CLASSES[kind].__annotations__)
        assert emitted[kind]
        for made in emitted[kind]:
            assert set(made) <= known
            assert {k: made[k] for k in made if not is_like(made[k], sample.get(k))} == {}

    @pytest.mark.parametrize(
        ("kind", "path"),
        [
            ("payment_method", ["card"]),
            ("payment_method", ["billing_details"]),
            ("charge", ["outcome"]),
            ("charge", ["billing_details"]),
            ("charge", ["payment_method_details", "card"]),
            ("dispute", ["evidence"]),
            ("dispute", ["evidence_details"]),
        ],
    )
    def test_so_has_every_inner_one(self, emitted, samples, kind, path):
        inner, sample, known = emitted[kind], samples[kind], CLASSES[kind]
        for step in path:
            inner = [made[step] for made in inner]
            sample = sample[step]
            known = getattr(known, "".join(word.title() for word in step.split("_")))
        for made in inner:
            assert set(made) <= set(sample) | set(known.__annotations__)
            assert {k: made[k] for k in made if not is_like(made[k], sample.get(k))} == {}

    def test_errors_and_actions_have_the_keys_of_the_sdk(self, emitted):
        for made in emitted["payment_intent"]:
            error = made["last_payment_error"] or {}
            assert set(error) <= set(stripe.PaymentIntent.LastPaymentError.__annotations__)
            action = made["next_action"] or {}
            assert set(action) <= set(stripe.PaymentIntent.NextAction.__annotations__)

    @pytest.mark.parametrize("kind", CLASSES)
    def test_what_an_adapter_reads_is_always_there(self, emitted, kind):
        for made in emitted[kind]:
            assert set(made) >= READ[kind]
            assert made["object"] == kind

    def test_all_that_can_happen_was_looked_at(self, emitted):
        def values(kind, name):
            return {made[name] for made in emitted[kind]}

        assert values("payment_intent", "status") == {
            "requires_payment_method", "requires_action", "requires_capture", "succeeded",
            "canceled",
        }  # fmt: skip
        assert values("refund", "status") == {"succeeded", "failed"}
        assert values("charge", "status") == {"succeeded", "failed"}
        assert values("balance_transaction", "type") == {
            "charge", "refund", "refund_failure", "adjustment", "payout",
        }  # fmt: skip
