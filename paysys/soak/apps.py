from django.apps import AppConfig
from django.conf import settings


class SoakConfig(AppConfig):
    """Installed by `paysys.soak.settings` alone, after all others."""

    name = "paysys.soak"
    label = "soak"

    def ready(self) -> None:
        from paysys.soak import leases, mutants

        lease_seconds: float = getattr(settings, "PAYSYS_SOAK_LEASE_SECONDS", 0.0)
        if lease_seconds:
            leases.shorten(lease_seconds)
        mutant: str = getattr(settings, "PAYSYS_SOAK_MUTANT", "")
        if mutant:
            mutants.MUTANTS[mutant].plant()
