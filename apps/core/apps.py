from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        from django.conf import settings

        from apps.core import checks, failpoints  # noqa: F401 - registers them

        failpoints.configure(settings.PAYSYS_FAILPOINTS)
