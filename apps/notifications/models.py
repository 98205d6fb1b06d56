"""Events: what happened, as merchants are told."""

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id


class Event(models.Model):
    """One fact about one object. Never updated, never deleted (triggers of 0002_guards).

    `sequence` grows with an object's events, so that whoever reads them out of order can tell.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    kind = models.CharField(max_length=80)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    payload = models.JSONField()
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "notifications_event"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "subject_id", "sequence"], name="notifications_event_sequence"
            ),
            models.CheckConstraint(
                condition=models.Q(sequence__gte=1), name="notifications_event_from_one"
            ),
        ]
        # A merchant's events, newest first.
        indexes = [models.Index(fields=["book_id", "id"], name="notifications_event_list")]

    def __str__(self) -> str:
        return self.kind
