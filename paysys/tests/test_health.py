"""/livez and /readyz: what a load balancer is told."""

import pytest
from django.db import DatabaseError, connection

from paysys import health


@pytest.mark.django_db
class TestReady:
    def test_without_redis_it_is_degraded_but_ready(self, client):
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "degraded", "database": "ok", "redis": "away"}

    def test_with_a_migration_missing_it_is_not_ready(self, client, monkeypatch):
        monkeypatch.setattr(health._Known, "migrated", False)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'auth'")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "migrations are missing")

    def test_answers_only_reading(self, client):
        assert client.post("/readyz").status_code == 405


class TestDatabaseAway:
    """No `db` mark: pytest-django refuses the connection, as an absent server would."""

    @pytest.fixture(autouse=True)
    def _away(self, monkeypatch):
        def refuse(*_args, **_kwargs):
            raise DatabaseError("away")

        monkeypatch.setattr(connection, "cursor", refuse)

    def test_is_not_ready(self, client):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "away")

    def test_is_still_alive(self, client):
        assert client.get("/livez").json() == {"status": "ok"}
