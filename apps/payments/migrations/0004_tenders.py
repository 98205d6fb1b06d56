"""How payments and refunds are made up: of a card, a wallet, a conversion."""

from decimal import Decimal

from django.db import migrations, models

# The lines of the balance of what was booked before there were any.
CREDITED_BEFORE = """
INSERT INTO payments_balance_transaction (id, book_id, kind, source_id, payment_id, currency, gross,
    fee, net, available_on, paid_out, created_at)
SELECT uuidv7(), p.book_id, 'payment', p.id, p.id, p.currency, p.amount_credited, p.fee,
       p.amount_credited - p.fee, p.available_on, 0, p.captured_at
FROM payments_payment p JOIN sagas_run s ON s.subject_id = p.id AND s.book_id = p.book_id
    AND s.saga = 'charge'
WHERE 'CREDIT_MERCHANT' = ANY (s.completed_steps)
"""
REFUNDED_BEFORE = """
INSERT INTO payments_balance_transaction (id, book_id, kind, source_id, payment_id, currency, gross,
    fee, net, available_on, payable_at, paid_out, created_at)
SELECT uuidv7(), r.book_id, k.kind, r.id, r.payment_id, r.currency, k.sign * r.amount,
       k.sign * r.fee_returned, k.sign * (r.amount - r.fee_returned),
       (r.created_at AT TIME ZONE 'UTC')::date, r.created_at, 0, r.created_at
FROM payments_refund r
JOIN (VALUES ('refund', -1), ('refund_failure', 1)) k (kind, sign)
    ON k.sign = -1 OR r.status = 'FAILED'
WHERE NOT r.is_compensation
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_money_tables"), ("sagas", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(
            model_name="payment",
            name="payments_payment_fee",
        ),
        migrations.RemoveConstraint(
            model_name="refund",
            name="payments_refund_fee",
        ),
        migrations.AddField(
            model_name="payment",
            name="amount_credited",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="available_on",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="card_refund_reserved",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="credit_currency",
            field=models.CharField(default="", max_length=3),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="payment",
            name="credit_returned",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="destination_wallet_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="fee_cap",
            field=models.DecimalField(decimal_places=4, max_digits=20, null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="fee_minimum",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="fx_spread",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="hold_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="quote_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="rate",
            field=models.DecimalField(decimal_places=12, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="rate_mid",
            field=models.DecimalField(decimal_places=12, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="wallet_amount",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="wallet_captured",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="wallet_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="refund",
            name="bearer_amount",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="refund",
            name="card_amount",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="refund",
            name="failed_amount",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="refund",
            name="failed_bearer_amount",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="refund",
            name="failed_fee",
            field=models.DecimalField(decimal_places=4, default=Decimal("0"), max_digits=20),
        ),
        migrations.AddField(
            model_name="refund",
            name="to_wallet_id",
            field=models.UUIDField(null=True),
        ),
        migrations.RunSQL(
            "UPDATE payments_payment SET credit_currency = currency,"
            " amount_credited = amount_captured, card_refund_reserved = refund_reserved,"
            " available_on = (captured_at AT TIME ZONE 'UTC')::date + 2",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            "UPDATE payments_refund SET card_amount = amount, bearer_amount = amount,"
            " failed_amount = CASE status WHEN 'FAILED' THEN amount ELSE 0 END,"
            " failed_bearer_amount = CASE status WHEN 'FAILED' THEN amount ELSE 0 END,"
            " failed_fee = CASE status WHEN 'FAILED' THEN fee_returned ELSE 0 END",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(CREDITED_BEFORE, migrations.RunSQL.noop),
        migrations.RunSQL(REFUNDED_BEFORE, migrations.RunSQL.noop),
    ]
