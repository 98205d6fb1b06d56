"""A file for the answer to a dispute, until somebody is erased."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.ids import new_id
from apps.gateways.types import FILE_PURPOSES
from apps.payments.models.dispute import Dispute


class DisputeFile(models.Model):
    """What a merchant gave to be sent with an answer; its name and its content are encrypted.

    `purpose` is what it shows in the answer, and empty while no answer names it; `sent_at` is when
    the provider was known to have that answer. Kept as it came: content, size and hash never
    change. It may be about the customer: the row is deleted when they are erased.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, related_name="files", db_constraint=False
    )
    purpose = models.CharField(
        max_length=40, choices=[(name, name) for name in FILE_PURPOSES], blank=True
    )
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    name_encrypted = models.TextField()
    content_encrypted = models.TextField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_dispute_file"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "dispute", "purpose"],
                condition=~Q(purpose=""),
                name="payments_dispute_file_one_for_a_purpose",
            ),
            models.CheckConstraint(condition=Q(size__gt=0), name="payments_dispute_file_size"),
            models.CheckConstraint(
                condition=Q(name_encrypted__startswith="v1.", content_encrypted__startswith="v1."),
                name="payments_dispute_file_encrypted",
            ),
        ]
        indexes = [models.Index(fields=["book_id", "dispute"], name="payments_dispute_files")]

    def __str__(self) -> str:
        return f"{self.purpose or 'not named'}, {self.size} bytes"
