"""Events: what happened, as merchants are told. Webhooks: where they are told, and how it went."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.core import crypto
from apps.core.ids import encode, new_id
from apps.notifications.types import (
    MAX_ATTEMPTS,
    MAX_URL_LENGTH,
    DeliveryStatus,
    DisabledReason,
    EndpointStatus,
)

SECRET_TABLE = "notifications_webhook_secret"  # noqa: S105  a table's name
SECRET_COLUMN = "secret_encrypted"  # noqa: S105


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


class OutboxEntry(models.Model):
    """An event that no endpoint's queue has yet; only books with an enabled endpoint have any.

    Written in the event's own commit and deleted in the commit that queues it, so no event is
    overlooked however late it commits. Its key is the order in which an object's events leave.
    """

    pk = models.CompositePrimaryKey("book_id", "subject_id", "sequence")
    book_id = models.UUIDField()
    subject_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    event_id = models.UUIDField()  # no foreign key: it is written with its event, on the hot path

    class Meta:
        db_table = "notifications_outbox"

    def __str__(self) -> str:
        return str(self.event_id)


class WebhookEndpoint(models.Model):
    """An address of a merchant's that is told of events; read by every payment, so seldom written.

    `event_types` holds kinds (`payment.captured`), whole subjects (`payment.*`) or `*`.
    `listens_from` is the database's time from which on every event meets the endpoint as it is
    now: it is stamped by a later transaction than the one that changed it (see `store.listen`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    url = models.CharField(max_length=MAX_URL_LENGTH)
    event_types = ArrayField(models.CharField(max_length=80))
    status = models.CharField(max_length=8, default=EndpointStatus.ENABLED.value)
    disabled_reason = models.CharField(max_length=8, blank=True)
    listens_from = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "notifications_webhook_endpoint"
        indexes = [
            models.Index(fields=["book_id", "id"], name="notifications_endpoint_list"),
            # What every event asks: does anybody listen to this book?
            models.Index(
                fields=["book_id"],
                condition=models.Q(status=EndpointStatus.ENABLED.value),
                name="notifications_endpoint_enabled",
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(listens_from=None),
                name="notifications_endpoint_deaf",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in EndpointStatus]),
                name="notifications_endpoint_status",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    status=EndpointStatus.DISABLED.value,
                    disabled_reason__in=[reason.value for reason in DisabledReason],
                )
                | (~models.Q(status=EndpointStatus.DISABLED.value) & models.Q(disabled_reason="")),
                name="notifications_endpoint_reason",
            ),
        ]

    def __str__(self) -> str:
        return encode("whe", self.id)


class WebhookSecret(models.Model):
    """What an endpoint's deliveries are signed with: one current secret, and for a while its
    predecessor (`expires_at`). The id is that of the request which asked for it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="secrets")
    secret_encrypted = models.TextField()
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = SECRET_TABLE
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "endpoint"],
                condition=models.Q(expires_at=None),
                name="notifications_webhook_secret_one_current",
            ),
        ]

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"

    @property
    def plain(self) -> str:
        """`whsec_…`: for signing, and for the answer that shows it once."""
        return crypto.decrypt(
            self.secret_encrypted,
            table=SECRET_TABLE,
            column=SECRET_COLUMN,
            row_id=self.id,
            book_id=self.book_id,
        )


class WebhookQueue(models.Model):
    """When an endpoint's deliveries want somebody, and who is at it; one row per endpoint.

    Whoever changes what is queued for an endpoint holds this row. `due_at` is never later than the
    earliest due delivery. A courier leases the whole queue: its `fence` grows with each lease, and
    a courier whose fence is old can record nothing any more. `lease_until` is the database's time.
    """

    endpoint = models.OneToOneField(WebhookEndpoint, on_delete=models.PROTECT, primary_key=True)
    book_id = models.UUIDField()
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)

    class Meta:
        db_table = "notifications_webhook_queue"
        indexes = [
            models.Index(fields=["book_id"], name="notifications_queue_book"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="notifications_queue_due",
            ),
        ]

    def __str__(self) -> str:
        return f"queue of {self.endpoint_id}"


class Delivery(models.Model):
    """One event on its way to one endpoint.

    Of an object's pending deliveries to an endpoint only the first has a `due_at`; the others wait
    for it. `attempts` counts those of the present round: a manual redelivery begins a new one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", db_index=False)
    subject_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    status = models.CharField(max_length=9, default=DeliveryStatus.PENDING.value)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    due_at = models.DateTimeField(null=True)
    last_attempt_at = models.DateTimeField(null=True)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=40, db_default="")
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "notifications_delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "endpoint", "event"], name="notifications_delivery_once"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in DeliveryStatus]),
                name="notifications_delivery_status",
            ),
            models.CheckConstraint(
                condition=models.Q(status=DeliveryStatus.PENDING.value) | models.Q(due_at=None),
                name="notifications_delivery_due_is_pending",
            ),
            models.CheckConstraint(
                condition=~models.Q(status=DeliveryStatus.DELIVERED.value)
                | models.Q(delivered_at__isnull=False),
                name="notifications_delivery_delivered_at",
            ),
            models.CheckConstraint(
                condition=models.Q(attempts__lte=MAX_ATTEMPTS),
                name="notifications_delivery_attempts",
            ),
        ]
        indexes = [
            # The log of an endpoint, newest first.
            models.Index(fields=["endpoint", "id"], name="notifications_delivery_log"),
            # What a merchant looks for in it, however long it is.
            models.Index(
                fields=["endpoint", "id"],
                condition=models.Q(status=DeliveryStatus.FAILED.value),
                name="notifications_delivery_failed",
            ),
            models.Index(
                fields=["endpoint", "due_at"],
                condition=models.Q(due_at__isnull=False),
                name="notifications_delivery_due",
            ),
            # The line of one object to one endpoint.
            models.Index(
                fields=["endpoint", "subject_id", "sequence"],
                condition=models.Q(status=DeliveryStatus.PENDING.value),
                name="notifications_delivery_line",
            ),
        ]

    def __str__(self) -> str:
        return encode("whd", self.id)


class DeliveryAttempt(models.Model):
    """One request that was made, and what came of it; append-only. No body is kept of either."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    delivery = models.ForeignKey(
        Delivery, on_delete=models.PROTECT, related_name="attempt_log", db_index=False
    )
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "notifications_delivery_attempt"
        indexes = [models.Index(fields=["delivery", "id"], name="notifications_attempt_log")]

    def __str__(self) -> str:
        return f"{self.status_code or self.error}"
