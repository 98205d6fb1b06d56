"""Refusals that orders of several kinds have in common."""

from __future__ import annotations

from apps.core.errors import Unprocessable


class NotSupportedByMethod(Unprocessable):
    """What is asked for cannot be done with this way to pay."""

    code = "not_supported_by_method"
