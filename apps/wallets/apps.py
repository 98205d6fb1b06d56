from django.apps import AppConfig

from apps.core import crypto


class WalletsConfig(AppConfig):
    name = "apps.wallets"
    label = "wallets"

    def ready(self) -> None:
        for column in ("name_encrypted", "email_encrypted"):
            crypto.register(table="wallets_customer", column=column)
