"""The trail: who did what to which object, in the commit that did it."""

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id


class AuditEntry(models.Model):
    """One state change. Never updated, never deleted (triggers of 0002_guards).

    `occurred_at` is the moment the caller acted by, `created_at` the database's own clock.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    actor = models.CharField(max_length=80)
    action = models.CharField(max_length=80)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    facts = models.JSONField()
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_entry"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["book_id", "subject_id"], name="audit_entry_subject")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
