"""What was decided about each payment, and why."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import new_id
from apps.risk.types import Decision


class ScreenedPayment(models.Model):
    """The assessment of one payment. Never updated, never deleted (triggers of 0002_guards)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    subject_id = models.UUIDField()
    decision = models.CharField(max_length=16)
    score = models.PositiveSmallIntegerField()
    reasons = ArrayField(models.CharField(max_length=80))
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "risk_assessment"
        constraints = [
            models.UniqueConstraint(fields=["book_id", "subject_id"], name="risk_assessment_once"),
            models.CheckConstraint(
                condition=models.Q(decision__in=[str(decision) for decision in Decision]),
                name="risk_assessment_decision",
            ),
            models.CheckConstraint(
                condition=models.Q(score__lte=100), name="risk_assessment_score"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} ({self.score})"
