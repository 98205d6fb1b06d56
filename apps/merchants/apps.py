from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from apps.core import crypto


class MerchantsConfig(AppConfig):
    name = "apps.merchants"
    label = "merchants"

    def ready(self) -> None:
        register(check_pepper)
        for column in ("holder_encrypted", "number_encrypted"):
            crypto.register(table="merchants_bank_account", column=column)


def check_pepper(**_kwargs: Any) -> list[CheckMessage]:
    """A live deployment hashes its keys under a pepper of its own."""
    pepper = settings.PAYSYS_KEY_PEPPER
    if settings.PAYSYS_MODE == "live" and ("insecure" in pepper or len(pepper) < 32):
        return [Error("PAYSYS_KEY_PEPPER must be 32 secret characters or more", id="merchants.E1")]
    return []
