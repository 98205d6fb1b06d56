"""Rules by which a provider is chosen; their shares add up to a hundred."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import apps.core.ids

IS_SPLIT = """
CREATE FUNCTION gateways_is_split(providers varchar[], shares smallint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT cardinality(providers) BETWEEN 1 AND 10
       AND cardinality(shares) = cardinality(providers)
       AND (SELECT sum(share) = 100 AND min(share) >= 0 FROM unnest(shares) AS share)
       AND (SELECT count(DISTINCT name) = count(*) AND bool_and(name <> '')
            FROM unnest(providers) AS name)
$$
"""
IS_SOUND = """
ALTER TABLE gateways_routing_rule ADD CONSTRAINT gateways_routing_rule_split
CHECK (gateways_is_split(providers, shares) IS TRUE)
"""


class Migration(migrations.Migration):
    dependencies = [("gateways", "0002_guards"), ("merchants", "0003_payouts_and_fees")]

    operations = [
        migrations.CreateModel(
            name="RoutingRule",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        help_text=(
                            "Rules are looked at in this order; the first that fits decides."
                        ),
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "method",
                    models.CharField(
                        default="*",
                        help_text="As in the API: card, paypal, …; * is every one.",
                        max_length=20,
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        default="*", help_text="ISO 4217; * is every one.", max_length=3
                    ),
                ),
                (
                    "country",
                    models.CharField(
                        default="*",
                        help_text=(
                            "The card's, as two capitals, where it is known; * is every one."
                        ),
                        max_length=2,
                    ),
                ),
                (
                    "amount_from",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=20, null=True),
                ),
                (
                    "amount_to",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=20, null=True),
                ),
                (
                    "providers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), size=None
                    ),
                ),
                (
                    "shares",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(), size=None
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "merchant",
                    models.ForeignKey(
                        blank=True,
                        help_text="Nobody: it holds for every merchant.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="merchants.merchant",
                    ),
                ),
            ],
            options={
                "db_table": "gateways_routing_rule",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(position__gte=1), name="gateways_routing_rule_position"
                    ),
                    models.CheckConstraint(
                        condition=(Q(amount_from=None) | Q(amount_from__gte=0))
                        & (Q(amount_to=None) | Q(amount_to__gte=0))
                        & (
                            Q(amount_from=None)
                            | Q(amount_to=None)
                            | Q(amount_to__gte=F("amount_from"))
                        ),
                        name="gateways_routing_rule_range",
                    ),
                    models.CheckConstraint(
                        condition=~Q(currency="*") | Q(amount_from=None, amount_to=None),
                        name="gateways_routing_rule_amount_has_currency",
                    ),
                ],
            },
        ),
        migrations.RunSQL(IS_SPLIT, "DROP FUNCTION gateways_is_split(varchar[], smallint[])"),
        migrations.RunSQL(
            IS_SOUND,
            "ALTER TABLE gateways_routing_rule DROP CONSTRAINT gateways_routing_rule_split",
        ),
    ]
