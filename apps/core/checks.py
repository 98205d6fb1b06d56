"""One deployment, one mode: a live start that carries anything of the test mode is refused.

Run by `manage.py check` and, since web servers and workers do not run checks by themselves, by
`refuse_to_start` where they begin (wsgi, Celery).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from apps.core import crypto

MODES = ("test", "live")

_PROVIDER_TEST_KEYS = ("sk_test_", "rk_test_", "pk_test_")
_INSECURE = "insecure-"
_DEFAULT_PASSWORDS = frozenset(
    {"postgres", "password", "paysys", "admin", "secret", "changeme", "demo"}
)
_OF_TEST_MODE = ("SIMULATOR", "DEMO", "FAILPOINT", "TEST_CLOCK", "LOOPBACK")
# Constants for code to compare with, not in use.
_OF_CODE = "_TEST_"


@checks.register
def mode(**_: Any) -> list[checks.CheckMessage]:
    """The findings about `PAYSYS_MODE`, each with the setting's name and never its value."""
    if settings.PAYSYS_MODE not in MODES:
        return [checks.Error(f"PAYSYS_MODE is one of {', '.join(MODES)}", id="paysys.E001")]
    found = [checks.Error(text, id="paysys.E002") for text in _field_keys()]
    if settings.PAYSYS_MODE == "live":
        found += [checks.Error(text, id="paysys.E003") for text in _live()]
    return list(found)


def refuse_to_start() -> None:
    """For processes that run no checks: every app's, and a live process stops at the first error.

    :raises ImproperlyConfigured: a check found one.
    """
    if settings.PAYSYS_MODE == "test":
        return
    found = [m for m in checks.run_checks() if m.is_serious() and not m.is_silenced()]
    if found:
        raise ImproperlyConfigured("; ".join(f"{m.id}: {m.msg}" for m in found))


def _field_keys() -> Iterator[str]:
    """None configured is fine in test mode until a field is encrypted; malformed never is."""
    if not settings.PAYSYS_FIELD_KEYS and settings.PAYSYS_MODE == "test":
        return
    try:
        crypto.current_key_id()
    except ImproperlyConfigured as error:
        yield str(error)


def _live() -> Iterator[str]:
    """Everything of test mode, or of no security at all, that a live deployment carries."""
    if settings.DEBUG:
        yield "DEBUG is on"
    if "*" in settings.ALLOWED_HOSTS:
        yield "ALLOWED_HOSTS allows every host"
    if len(settings.SECRET_KEY) < 32:
        yield "SECRET_KEY is shorter than 32 characters"
    if settings.PAYSYS_PROVIDER == "instant":
        yield "PAYSYS_PROVIDER is the one of benchmarks"
    if "apps.simulator" in settings.INSTALLED_APPS:
        yield "INSTALLED_APPS holds the simulator"
    for database in settings.DATABASES.values():
        if database.get("PASSWORD") in _DEFAULT_PASSWORDS:
            yield "DATABASES has a default password"
    for name in sorted(set(dir(settings))):
        if name.isupper():
            yield from _of_setting(name, getattr(settings, name))


def _of_setting(name: str, value: Any) -> Iterator[str]:
    if value and any(word in name for word in _OF_TEST_MODE):
        yield f"{name} belongs to test mode"
    for text in _texts(value):
        if text.startswith(_INSECURE):
            yield f"{name} has its insecure default"
        if text.startswith(_PROVIDER_TEST_KEYS) and _OF_CODE not in name:
            yield f"{name} holds a provider's test key"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
