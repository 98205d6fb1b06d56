"""`manage.py retry_run`: a person lets a run go on, and the trail says so."""

from __future__ import annotations

from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.core import clock, ids
from apps.sagas.models import Run

pytestmark = pytest.mark.django_db(transaction=True)


def a_run(status: str) -> Run:
    now = clock.now()
    return Run.objects.create(
        book_id=uuid4(),
        saga="charge",
        subject_id=uuid4(),
        current_step="CAPTURE",
        status=status,
        attempts=12,
        next_run_at=None if status == "NEEDS_ATTENTION" else now,
        created_at=now,
        updated_at=now,
    )


class TestRetryRun:
    def test_lets_a_run_that_needed_a_person_go_on_and_says_who_did(self) -> None:
        run, out = a_run("NEEDS_ATTENTION"), StringIO()

        call_command("retry_run", ids.encode("saga", run.id), stdout=out)

        run = Run.objects.get(id=run.id)
        assert (run.status, run.attempts) == ("IN_PROGRESS", 0)
        assert run.next_run_at is not None
        assert AuditEntry.objects.get(subject_id=run.id).action == "run.retried"
        assert "goes on at CAPTURE" in out.getvalue()

    def test_refuses_one_that_does_not_need_anybody_and_changes_nothing(self) -> None:
        run = a_run("WAITING")

        with pytest.raises(CommandError, match="does not need attention"):
            call_command("retry_run", ids.encode("saga", run.id))

        assert Run.objects.get(id=run.id).attempts == 12
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("name", ["saga_", "pay_01m83rybkmerrbfgddy8y403xt", "x"])
    def test_refuses_what_is_no_run(self, name: str) -> None:
        with pytest.raises(CommandError, match="no run of ours"):
            call_command("retry_run", name)
