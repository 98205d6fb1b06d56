"""Calls to providers, the names of their objects, the news they send, and who is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.ids import new_id
from apps.gateways.types import ANY, KEPT, Circuit, Rule, Tally
from apps.sagas.definition import Outcome

OPEN = (Outcome.PENDING.value, Outcome.UNKNOWN.value)


class ProviderCall(models.Model):
    """One call under one `op_key`: promised before it is made, observed after.

    What was promised never changes, and once the end is known neither does that (0002_guards). A
    payment has one open call at most, whatever the call: a second one would have to guess.
    """

    class OutcomeChoice(models.TextChoices):
        PENDING = "PENDING"
        SUCCEEDED = "SUCCEEDED"
        FAILED = "FAILED"
        UNKNOWN = "UNKNOWN"
        ABSENT = "ABSENT"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    book_id = models.UUIDField()
    payment_id = models.UUIDField()
    subject_id = models.UUIDField()  # the payment, or the refund
    run_id = models.UUIDField()
    step = models.CharField(max_length=80)
    call = models.CharField(max_length=40)
    provider = models.CharField(max_length=20)
    op_key = models.CharField(max_length=255)
    request = models.JSONField()
    outcome = models.CharField(max_length=10, choices=OutcomeChoice, default="PENDING")
    code = models.CharField(max_length=64, blank=True)
    message = models.CharField(max_length=500, blank=True)
    result = models.JSONField(default=dict)
    provider_reference = models.CharField(max_length=255, blank=True)
    answered = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)  # recorded answers, look-ups included
    created_at = models.DateTimeField()
    observed_at = models.DateTimeField(null=True)
    canceled_at = models.DateTimeField(null=True)  # of a `create`: its object is over for good

    class Meta:
        db_table = "gateways_provider_call"
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "op_key"], name="gateways_provider_call_op_key"
            ),
            models.UniqueConstraint(
                fields=["book_id", "payment_id"],
                condition=Q(outcome__in=OPEN),
                name="gateways_provider_call_one_open",
            ),
            # One object at one provider: what exists there, or may, and was not seen to be over.
            models.UniqueConstraint(
                fields=["book_id", "payment_id"],
                condition=Q(
                    call="create",
                    outcome__in=(*OPEN, Outcome.SUCCEEDED.value),
                    canceled_at=None,
                ),
                name="gateways_provider_call_one_object",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=[outcome.value for outcome in Outcome]),
                name="gateways_provider_call_outcome",
            ),
            models.CheckConstraint(
                condition=Q(outcome="PENDING", observed_at=None)
                | Q(~Q(outcome="PENDING"), observed_at__isnull=False),
                name="gateways_provider_call_observed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["run_id"],
                condition=Q(outcome__in=OPEN),
                name="gateways_provider_call_run",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.op_key}"

    @property
    def is_open(self) -> bool:
        return self.outcome in OPEN


class ProviderObject(models.Model):
    """Whose a provider's object is: how an event finds its payment.

    A reference is unique at its provider, over all books, so this is the one small table that is
    not cut by book.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=20)
    reference = models.CharField(max_length=255)
    book_id = models.UUIDField()
    payment_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "gateways_provider_object"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "reference"], name="gateways_provider_object_reference"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"


class InboundEvent(models.Model):
    """News from a provider: verified, scrubbed, stored once, also when nobody knows its kind.

    Whose it is, is found out when it is applied; until then it belongs to no book. What came of it
    stands in `note` for good, unless nothing did: what was only kept may be applied again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=255, blank=True)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=100)
    object_reference = models.CharField(max_length=255, blank=True)
    payment_reference = models.CharField(max_length=255, blank=True)
    payment_public_id = models.CharField(max_length=64, blank=True)
    payload = models.JSONField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "gateways_inbound_event"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "account", "event_id"], name="gateways_inbound_event_once"
            ),
        ]
        indexes = [
            models.Index(
                F("received_at"),
                condition=Q(processed_at=None),
                name="gateways_inbound_event_waiting",
            ),
            models.Index(
                F("received_at"),
                condition=Q(note__startswith=KEPT),
                name="gateways_inbound_event_kept",
            ),
            models.Index(fields=["payment_reference"], name="gateways_inbound_event_payment"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind} {self.event_id}"

    @property
    def is_done(self) -> bool:
        return self.processed_at is not None and not self.note.startswith(KEPT)


class RoutingRule(models.Model):
    """A rule by which a provider is chosen; `types.Rule` says what its columns mean.

    The share of `providers[n]` is `shares[n]`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    position = models.PositiveSmallIntegerField(
        unique=True, help_text="Rules are looked at in this order; the first that fits decides."
    )
    name = models.CharField(max_length=100)
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        help_text="Nobody: it holds for every merchant.",
    )
    method = models.CharField(
        max_length=20, default=ANY, help_text="As in the API: card, paypal, …; * is every one."
    )
    currency = models.CharField(max_length=3, default=ANY, help_text="ISO 4217; * is every one.")
    country = models.CharField(
        max_length=2,
        default=ANY,
        help_text="The card's, as two capitals, where it is known; * is every one.",
    )
    amount_from = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    amount_to = models.DecimalField(max_digits=20, decimal_places=4, null=True, blank=True)
    providers = ArrayField(models.CharField(max_length=20))
    shares = ArrayField(models.SmallIntegerField())
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "gateways_routing_rule"
        constraints = [
            models.CheckConstraint(
                condition=Q(position__gte=1), name="gateways_routing_rule_position"
            ),
            models.CheckConstraint(
                condition=(Q(amount_from=None) | Q(amount_from__gte=0))
                & (Q(amount_to=None) | Q(amount_to__gte=0))
                & (Q(amount_from=None) | Q(amount_to=None) | Q(amount_to__gte=F("amount_from"))),
                name="gateways_routing_rule_range",
            ),
            # An amount without a currency would mean 30 dollars here and 30 yen there.
            models.CheckConstraint(
                condition=~Q(currency=ANY) | Q(amount_from=None, amount_to=None),
                name="gateways_routing_rule_amount_has_currency",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.name}"

    def as_rule(self) -> Rule:
        return Rule(
            id=self.id,
            position=self.position,
            name=self.name,
            split=tuple(zip(self.providers, self.shares, strict=True)),
            method=self.method,
            currency=self.currency,
            country=self.country,
            amount_from=self.amount_from,
            amount_to=self.amount_to,
            merchant_id=self.merchant_id,
        )

    @classmethod
    def from_rule(cls, rule: Rule, *, created_at: datetime, now: datetime) -> Self:
        return cls(
            id=rule.id,
            position=rule.position,
            name=rule.name,
            merchant_id=rule.merchant_id,
            method=rule.method,
            currency=rule.currency,
            country=rule.country,
            amount_from=rule.amount_from,
            amount_to=rule.amount_to,
            providers=[provider for provider, _ in rule.split],
            shares=[share for _, share in rule.split],
            created_at=created_at,
            updated_at=now,
        )


class ProviderCircuit(models.Model):
    """A circuit that has opened at least once; `types.Circuit` says what its columns mean."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=20)
    operation = models.CharField(max_length=40)
    opened_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()
    succeeded = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()

    class Meta:
        db_table = "gateways_circuit"
        constraints = [
            models.UniqueConstraint(fields=["provider", "operation"], name="gateways_circuit_one"),
            models.CheckConstraint(
                condition=Q(opened_at=None, retry_at=None)
                | Q(opened_at__isnull=False, retry_at__gt=F("opened_at")),
                name="gateways_circuit_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation}"

    def as_circuit(self) -> Circuit:
        return Circuit(
            provider=self.provider,
            operation=self.operation,
            opened_at=self.opened_at,
            retry_at=self.retry_at,
            changed_at=self.changed_at,
            seen=Tally(self.succeeded, self.failed),
        )

    @classmethod
    def from_circuit(cls, circuit: Circuit, *, id: UUID) -> Self:  # noqa: A002
        return cls(
            id=id,
            provider=circuit.provider,
            operation=circuit.operation,
            opened_at=circuit.opened_at,
            retry_at=circuit.retry_at,
            changed_at=circuit.changed_at,
            succeeded=circuit.seen.succeeded,
            failed=circuit.seen.failed,
        )


class HealthTally(models.Model):
    """How the calls of ten seconds ended. A slot is used again after two minutes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=20)
    operation = models.CharField(max_length=40)
    slot = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    succeeded = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()

    class Meta:
        db_table = "gateways_health_tally"
        verbose_name_plural = "health tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "operation", "slot"], name="gateways_health_tally_slot"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation} {self.started_at:%H:%M:%S}"
