"""docs/architecture.md lists every name that reaches upwards; this holds it to what is there."""

from __future__ import annotations

import re

from celery import current_app
from django.conf import settings

from apps.notifications import selectors as notifications
from apps.sagas import definition
from apps.wallets import services as wallets

DOCUMENT = settings.BASE_DIR / "docs" / "architecture.md"


def documented(kind: str) -> set[str]:
    return set(re.findall(rf"^\| {kind} \| `([^`]+)`", DOCUMENT.read_text(), re.MULTILINE))


def test_the_table_lists_every_saga_that_is_registered() -> None:
    assert documented("saga") == {name.partition(":")[0] for name in definition.known()}


def test_the_table_lists_every_app_that_forgets_its_part_of_a_customer() -> None:
    assert documented("erasure") == set(wallets.known_to_forget())


def test_the_table_lists_every_kind_of_event_whose_notes_are_read_elsewhere() -> None:
    assert documented("notes") == set(notifications.known_to_have_notes())


def test_the_table_lists_every_task_that_is_registered() -> None:
    current_app.loader.import_default_modules()
    ours = {name for name in current_app.tasks if not name.startswith("celery.")}

    assert documented("task") == ours
