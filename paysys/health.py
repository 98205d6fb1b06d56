"""What a load balancer asks: is the process alive, and can it do its work?"""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


class _Known:
    """Applied migrations stay applied while a process lives; reading them all takes a while."""

    migrated = False


@require_safe
@never_cache
def livez(_request: HttpRequest) -> JsonResponse:
    """The process answers. It asks nobody: a database that is away is no reason to restart us."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """503 without a migrated database; without Redis 200 and "degraded", as everything still works.

    Runs are then found by the sweepers instead of the bell, and limits are counted per process.
    """
    database, bell = _database(), _redis()
    ready = database == "ok"
    status = "unavailable" if not ready else "ok" if bell == "ok" else "degraded"
    return JsonResponse(
        {"status": status, "database": database, "redis": bell}, status=200 if ready else 503
    )


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _Known.migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "migrations are missing"
            _Known.migrated = True
    except DatabaseError:
        return "away"
    return "ok"


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5
        ) as client:
            client.ping()
    except redis.RedisError:
        return "away"
    return "ok"
