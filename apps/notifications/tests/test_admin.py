"""The console shows where merchants are told and how it went, and no secret."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.notifications.models import Delivery, DeliveryAttempt, WebhookSecret
from apps.notifications.tests.scene import finish, make_endpoint, publish, uuid_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_endpoint_delivery_and_attempt_are_shown_without_the_secret(client, shop, sink, courier):
    endpoint = make_endpoint(shop, sink.url())
    publish(shop)
    finish(courier)
    client.force_login(get_user_model().objects.create_superuser("boss", password="boss"))
    encrypted = WebhookSecret.objects.get().secret_encrypted
    for model, key in (
        ("webhookendpoint", uuid_of(endpoint)),
        ("delivery", Delivery.objects.get().id),
        ("deliveryattempt", DeliveryAttempt.objects.get().id),
    ):
        for page in (
            reverse(f"admin:notifications_{model}_changelist"),
            reverse(f"admin:notifications_{model}_change", args=[key]),
        ):
            answer = client.get(page)
            assert answer.status_code == 200
            for secret in (endpoint["secret"], encrypted):
                assert secret not in answer.content.decode()
