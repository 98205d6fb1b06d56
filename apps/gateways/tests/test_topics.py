"""What an event is news of, in one word for every provider."""

import pytest

from apps.gateways import inbox
from apps.gateways.types import Topic


@pytest.mark.parametrize(
    ("provider", "kind", "topic"),
    [
        ("stripe", "payment_intent.succeeded", Topic.PAYMENT),
        ("stripe", "charge.captured", Topic.PAYMENT),
        ("stripe", "charge.refunded", Topic.REFUND),
        ("stripe", "charge.refund.updated", Topic.REFUND),
        ("stripe", "refund.failed", Topic.REFUND),
        ("stripe", "charge.dispute.created", Topic.DISPUTE),
        ("stripe", "payout.paid", Topic.PAYOUT),
        ("stripe", "customer.created", Topic.OTHER),
        ("paypal", "CHECKOUT.ORDER.APPROVED", Topic.PAYMENT),
        ("paypal", "CHECKOUT.PAYMENT-APPROVAL.REVERSED", Topic.PAYMENT),
        ("paypal", "PAYMENT.AUTHORIZATION.VOIDED", Topic.PAYMENT),
        ("paypal", "PAYMENT.CAPTURE.COMPLETED", Topic.PAYMENT),
        ("paypal", "PAYMENT.CAPTURE.REFUNDED", Topic.REFUND),
        ("paypal", "PAYMENT.CAPTURE.REVERSED", Topic.DISPUTE),
        ("paypal", "PAYMENT.REFUND.FAILED", Topic.REFUND),
        ("paypal", "CUSTOMER.DISPUTE.CREATED", Topic.DISPUTE),
        ("paypal", "BILLING.SUBSCRIPTION.CREATED", Topic.OTHER),
        ("instant", "anything", Topic.OTHER),
        ("nobody", "payment_intent.succeeded", Topic.OTHER),
    ],
)
def test_every_kind_has_a_topic(provider, kind, topic):
    assert inbox.topic_of(provider=provider, kind=kind) is topic
