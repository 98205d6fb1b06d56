"""One table: a run, which is one saga on its way."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.core.ids import new_id
from apps.sagas.definition import Intent
from apps.sagas.types import OPEN, Status


class Run(models.Model):
    """One instance of a saga.

    `fence` grows with every lease; whoever writes repeats the fence it was given, so a worker that
    lost its lease can no longer change anything. `nudges` counts the calls for attention, so that
    one which arrives while somebody works is not lost. `attempts` counts the turns in a row that
    failed, up to a limit; `look_ups` how often in a row a call left us without an answer.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    saga = models.CharField(max_length=40)
    definition_version = models.SmallIntegerField(default=1)
    subject_id = models.UUIDField()
    current_step = models.CharField(max_length=40, blank=True)
    completed_steps = ArrayField(models.CharField(max_length=40), default=list)
    status = models.CharField(
        max_length=16, choices=[(s, s) for s in Status], default=Status.IN_PROGRESS
    )
    waiting_for = models.CharField(max_length=60, blank=True)
    attempts = models.IntegerField(default=0)
    look_ups = models.IntegerField(default=0)
    generation = models.IntegerField(default=1)
    next_run_at = models.DateTimeField(null=True)
    nudges = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    results = models.JSONField(default=dict)
    abort = models.JSONField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "sagas_run"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "saga", "subject_id"],
                condition=Q(status__in=(*OPEN, Status.NEEDS_ATTENTION)),
                name="sagas_run_one_open_per_subject",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=OPEN) | Q(next_run_at__isnull=False),
                name="sagas_run_open_has_a_date",
            ),
        ]
        indexes = [
            models.Index(fields=["subject_id"], name="sagas_run_subject"),
            models.Index(
                fields=["next_run_at"], condition=Q(status__in=OPEN), name="sagas_run_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.saga} {self.status} at {self.current_step or 'the end'}"

    # Of a run that this process has begun: the call that is promised, whether it rests already,
    # and whether a step refused, so that its subject is not what this process thinks.
    opening: Intent | None = None
    is_resting = False
    is_refused = False

    # What the row holds of the columns that rarely change, as far as this object knows.
    _written: tuple[object, ...] | None = None

    def remember(self) -> None:
        """Note that the row now holds what this object says."""
        self._written = self._rarely_changing()

    @property
    def is_unchanged(self) -> bool:
        """Whether only the position, the results and the lease have to be written."""
        return self._written == self._rarely_changing()

    def _rarely_changing(self) -> tuple[object, ...]:
        return (
            *(self.status, self.waiting_for, self.attempts, self.look_ups, self.generation),
            *(self.abort, self.last_error),
        )

    @property
    def is_open(self) -> bool:
        """Whether the run has still to be moved, by us or by a person."""
        return self.status in OPEN or self.needs_a_person

    @property
    def needs_a_person(self) -> bool:
        """Whether nobody moves the run, and no nudge either, until it is let try again."""
        return self.status == Status.NEEDS_ATTENTION
