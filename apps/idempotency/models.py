"""Keys that make a request repeatable, and the answers they were given."""

from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    """One key of one caller, written in the commit that makes its resource.

    Its id *is* the id of that resource; `about_id` is the customer or the payment whose data its
    answer holds, if they are not the resource: it is forgotten with them. `locked_until` is the
    database's time: until then the request that holds the key is taken to be alive. `expires_at`
    is set with the answer.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    book_id = models.UUIDField()
    scope = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    about_id = models.UUIDField(null=True)
    locked_until = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True)  # no answer yet is not an empty one
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_key"
        indexes = [
            models.Index(
                fields=["about_id"],
                name="idempotency_key_about",
                condition=models.Q(about_id__isnull=False),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "scope", "key"], name="idempotency_key_once"
            ),
            models.CheckConstraint(
                condition=models.Q(body=None, status_code=None)
                | models.Q(body__isnull=False, status_code__isnull=False, expires_at__isnull=False),
                name="idempotency_key_answer_is_whole",
            ),
            # 202 says "not yet", and what is not listed here may be better the next time.
            models.CheckConstraint(
                condition=models.Q(status_code=None)
                | models.Q(status_code__in=[200, 201, 402, 409]),
                name="idempotency_key_answer_is_final",
            ),
        ]

    def __str__(self) -> str:
        return self.key
