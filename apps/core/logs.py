"""Logs: one JSON object a line, on stderr, with no card number and no secret in it.

Django, Celery and gunicorn log through the same chain, so their lines are scrubbed too.
`settings.LOGGING_CONFIG` names `configure`, and `settings.LOGGING` holds its options.
"""

from __future__ import annotations

import logging.config
import re
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from apps.core import cards

HIDDEN = "[removed]"

# Whoever logs these by mistake: the names alone are enough to hide what they hold.
_SECRET_NAMES = re.compile(
    r"(^|_)(authorization|password|passwd|secret|pepper|cvc|cvv|pin|card_number|api_key|cookie)$",
    re.IGNORECASE,
)
# Keys of ours and of providers; the first characters stay, to tell which it was.
_SECRETS = re.compile(r"\b((?:sk|rk|whsec)_(?:test_|live_)?)[A-Za-z0-9+/=_-]{8,}")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)


def configure(options: Mapping[str, Any] | None = None) -> None:
    """Set up structlog and the standard library's logging.

    Options: `level` (INFO) and `format`, `json` or `console`.
    """
    chosen = options or {}
    for_people = chosen.get("format") == "console"
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    after: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        scrub_event,
        structlog.dev.ConsoleRenderer(colors=False)
        if for_people
        else structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    # Its report of a line that could not be written is the line, unscrubbed.
    logging.raiseExceptions = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": before,
                    "processors": after,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": chosen.get("level", "INFO")},
            "loggers": {
                # Its lines about 4xx answers repeat ours.
                "django.request": {"level": "ERROR"},
                # A scanner's wrong host is no error of ours, and is in our line as a 400.
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "django": {"handlers": [], "propagate": True},
                "django.server": {"handlers": [], "propagate": True},
                # It logs bearer tokens at DEBUG.
                "paypalrestsdk": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
            },
        }
    )


def scrub_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: removes card numbers and secrets from every value of an event."""
    for name, value in event.items():
        event[name] = _clean(name, value)
    return event


def _clean(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {_scrub(str(key)): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, item) for item in value]
    if isinstance(value, int | float):
        return value if abs(value) < 10**11 else _number(value)
    return _scrub(value if isinstance(value, str) else str(value))


def _number(value: float) -> Any:
    return cards.REMOVED if cards.find_card_number(str(value)) else value


def _scrub(text: str) -> str:
    text = cards.scrub(text)
    if "_" in text:
        text = _SECRETS.sub(rf"\1{HIDDEN}", text)
    if " " in text:
        text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    return text
