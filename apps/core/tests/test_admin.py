"""The console's pages: every model of every app can be read, and nothing can be written."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.core import ids
from apps.core.admin import BoundedPaginator, ReadOnlyAdmin, read_id

pytestmark = pytest.mark.django_db

PAGES = [
    model
    for model, page in admin.site._registry.items()
    if isinstance(page, ReadOnlyAdmin) and model.__module__.startswith("apps.")
]


@pytest.fixture
def console(client):
    user = get_user_model().objects.create_superuser("boss", password="boss")
    client.force_login(user)
    return client


# What is done from a list, each by a service and with a permission of its own.
ACTIONS = {"payments.SuspenseCase": {"allocate", "send_back"}}


def url_of(model, page: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
class TestEveryPage:
    def test_shows_a_list(self, console, model):
        assert console.get(url_of(model, "changelist")).status_code == 200

    @pytest.mark.parametrize(
        "words",
        ["ada", "%", "é", "pay_" + "0" * 26, "00000000-0000-7000-8000-000000000000", "x" * 999],
    )
    def test_searches_for_whatever_is_typed(self, console, model, words):
        answer = console.get(url_of(model, "changelist"), {"q": words})
        assert answer.status_code == 200

    def test_offers_superusers_nothing_to_write_but_its_actions(self, console, model):
        assert console.get(url_of(model, "add")).status_code == 403
        assert console.post(url_of(model, "add"), {}).status_code == 403
        page = admin.site._registry[model]
        offered = page.get_actions(console.get(url_of(model, "changelist")).wsgi_request)
        assert set(offered) == ACTIONS.get(model._meta.label, set())

    def test_costs_few_statements(self, console, model, django_assert_max_num_queries):
        with django_assert_max_num_queries(8):
            console.get(url_of(model, "changelist"))


class TestSearching:
    def test_reads_a_uuid_and_any_public_id(self):
        known = ids.new_id()
        assert read_id(str(known)) == known
        assert read_id(known.hex) == known
        assert read_id(ids.encode("pay", known)) == known
        assert read_id(ids.encode("cus", known).upper()) == known

    @pytest.mark.parametrize("text", ["", "pay_", "_", "pay_1", "ada", "pay_" + "!" * 26])
    def test_reads_nothing_into_other_words(self, text):
        assert read_id(text) is None


class TestCounting:
    def test_stops_at_its_limit(self, monkeypatch):
        from django.contrib.contenttypes.models import ContentType

        assert ContentType.objects.count() > 3
        monkeypatch.setattr("apps.core.admin.COUNT_LIMIT", 3)
        assert BoundedPaginator(ContentType.objects.order_by("pk"), 2).count == 3
        assert BoundedPaginator([1, 2, 3, 4], 2).count == 4
