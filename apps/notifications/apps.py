from django.apps import AppConfig

from apps.core import crypto


class NotificationsConfig(AppConfig):
    name = "apps.notifications"
    label = "notifications"

    def ready(self) -> None:
        from apps.notifications.models import SECRET_COLUMN, SECRET_TABLE

        crypto.register(table=SECRET_TABLE, column=SECRET_COLUMN)
