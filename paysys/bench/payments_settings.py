"""The project's settings with the bench's routes added: what `bench payments` serves."""

from paysys.settings import *  # noqa: F403

ROOT_URLCONF = "paysys.bench.payments_urls"
