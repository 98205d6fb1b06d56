"""The console's pages of gateways can be read and change nothing."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.core import ids
from apps.gateways.models import InboundEvent, ProviderCall, ProviderObject

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def rows(db):
    facts = {"book_id": ids.new_id(), "payment_id": ids.new_id(), "created_at": NOW}
    return [
        ProviderCall.objects.create(
            **facts,
            subject_id=facts["payment_id"],
            run_id=ids.new_id(),
            step="CAPTURE",
            call="capture",
            provider="stripe",
            op_key="k1",
            request={},
        ),
        ProviderObject.objects.create(**facts, provider="stripe", reference="pi_1"),
        InboundEvent.objects.create(
            provider="stripe", event_id="evt_1", kind="x", payload={}, occurred_at=NOW,
            received_at=NOW,
        ),
    ]  # fmt: skip


def test_every_page_opens_and_none_can_be_saved(rows, client):
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    for row in rows:
        name = f"admin:gateways_{type(row)._meta.model_name}"
        for url in (
            reverse(f"{name}_changelist"),
            reverse(f"{name}_changelist") + "?q=pi_1",
            reverse(f"{name}_change", args=[row.pk]),
        ):
            assert client.get(url).status_code == 200, url
        assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert client.get(reverse(f"{name}_add")).status_code == 403
