from typing import Any

from django.apps import AppConfig, apps
from django.db import connections
from django.db.models.signals import post_migrate


class PaysysConfig(AppConfig):
    name = "paysys"
    label = "paysys"

    def ready(self) -> None:
        from . import celery  # noqa: F401 - bells are sent through the current Celery app

        # Any one app that surely has tables: the signal comes once per app, after all migrations.
        post_migrate.connect(grant_after_migrate, sender=apps.get_app_config("contenttypes"))


def grant_after_migrate(*, using: str, plan: Any = None, **_: Any) -> None:
    """A new table has no grants: give them in the same command. A flush has no plan: none."""
    from . import grants

    if plan is not None and grants.role_exists(connections[using], grants.APP):
        grants.grant(connections[using], grants.APP)
