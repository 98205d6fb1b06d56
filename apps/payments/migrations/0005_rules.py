"""What holds for every row of the tables and columns of 0003 and 0004."""

import django.db.models.expressions
from django.db import migrations, models

import apps.payments.types


class Migration(migrations.Migration):
    dependencies = [("payments", "0004_tenders")]

    operations = [
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("destination_wallet_id__isnull", False)),
                fields=["book_id", "destination_wallet_id"],
                name="payments_payment_top_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee__gte", 0),
                    ("fee__lte", models.F("amount_credited")),
                    ("fee_returnable__lte", models.F("fee")),
                    ("fee_returned__gte", 0),
                    ("fee_returned__lte", models.F("fee_returnable")),
                ),
                name="payments_payment_fee",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount_captured__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("wallet_captured"), "+", models.F("card_refund_reserved")
                        ),
                    ),
                    ("card_refund_reserved__gte", 0),
                    ("card_refund_reserved__lte", models.F("refund_reserved")),
                    ("wallet_amount__gte", 0),
                    ("wallet_amount__lte", models.F("amount")),
                    ("wallet_captured__gte", 0),
                    ("wallet_captured__lte", models.F("wallet_amount")),
                ),
                name="payments_payment_tenders",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hold_id", None), ("wallet_amount", 0), ("wallet_id", None)),
                    models.Q(
                        ("hold_id__isnull", False),
                        ("wallet_amount__gt", 0),
                        ("wallet_id__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="payments_payment_wallet",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_credited__gte", 0),
                    ("credit_returned__gte", 0),
                    ("credit_returned__lte", models.F("amount_credited")),
                    ("fx_spread__gte", 0),
                ),
                name="payments_payment_credit",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("credit_currency", models.F("currency")),
                        ("fx_spread", 0),
                        ("quote_id", None),
                        ("rate", None),
                        ("rate_mid", None),
                    ),
                    models.Q(
                        models.Q(("credit_currency", models.F("currency")), _negated=True),
                        ("quote_id__isnull", False),
                        ("rate__gt", 0),
                        ("rate_mid__gte", models.F("rate")),
                    ),
                    _connector="OR",
                ),
                name="payments_payment_conversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_returned__gte", 0), ("fee_returned__lte", models.F("bearer_amount"))
                ),
                name="payments_refund_fee",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bearer_amount__gte", 0),
                    ("card_amount__gte", 0),
                    ("card_amount__lte", models.F("amount")),
                    models.Q(
                        ("card_amount", models.F("amount")),
                        ("to_wallet_id__isnull", False),
                        _connector="OR",
                    ),
                ),
                name="payments_refund_parts",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("failed_amount__gte", 0),
                    ("failed_amount__lte", models.F("amount")),
                    ("failed_bearer_amount__gte", 0),
                    ("failed_bearer_amount__lte", models.F("bearer_amount")),
                    ("failed_fee__gte", 0),
                    ("failed_fee__lte", models.F("fee_returned")),
                ),
                name="payments_refund_failed_part",
            ),
        ),
        migrations.AddIndex(
            model_name="balancetransaction",
            index=models.Index(fields=["book_id", "-id"], name="payments_balance_newest"),
        ),
        migrations.AddIndex(
            model_name="balancetransaction",
            index=models.Index(
                condition=models.Q(("payable_at", None)),
                fields=["book_id", "currency", "available_on"],
                name="payments_balance_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="balancetransaction",
            index=models.Index(
                condition=models.Q(
                    ("payable_at__isnull", False),
                    models.Q(("paid_out", models.F("net")), _negated=True),
                ),
                fields=["book_id", "currency", "id"],
                name="payments_balance_unpaid",
            ),
        ),
        migrations.AddConstraint(
            model_name="balancetransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "net",
                        django.db.models.expressions.CombinedExpression(
                            models.F("gross"), "-", models.F("fee")
                        ),
                    )
                ),
                name="payments_balance_net",
            ),
        ),
        migrations.AddConstraint(
            model_name="balancetransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("net__gte", 0), ("paid_out__gte", 0), ("paid_out__lte", models.F("net"))
                    ),
                    models.Q(
                        ("net__lt", 0), ("paid_out__gte", models.F("net")), ("paid_out__lte", 0)
                    ),
                    _connector="OR",
                ),
                name="payments_balance_paid_out",
            ),
        ),
        migrations.AddConstraint(
            model_name="balancetransaction",
            constraint=models.UniqueConstraint(
                fields=("book_id", "kind", "source_id"), name="payments_balance_once"
            ),
        ),
        migrations.AddIndex(
            model_name="exchangerate",
            index=models.Index(fields=["currency", "-day", "-id"], name="payments_rate_newest"),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(
                condition=models.Q(("per_euro__gt", 0)), name="payments_rate_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(fields=["book_id", "-id"], name="payments_payout_newest"),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="payments_payout_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", apps.payments.types.PayoutKind["WITHDRAWAL"]),
                        ("wallet_id__isnull", False),
                    ),
                    models.Q(
                        (
                            "kind__in",
                            [
                                apps.payments.types.PayoutKind["MANUAL"],
                                apps.payments.types.PayoutKind["AUTOMATIC"],
                            ],
                        ),
                        ("wallet_id", None),
                    ),
                    _connector="OR",
                ),
                name="payments_payout_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="quote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    ("rate__gt", 0),
                    ("rate_mid__gte", models.F("rate")),
                    ("spread_basis_points__gte", 0),
                    ("spread_basis_points__lte", 10000),
                    ("to_amount__gt", 0),
                    models.Q(("from_currency", models.F("to_currency")), _negated=True),
                ),
                name="payments_quote_sound",
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["book_id", "-id"], name="payments_transfer_newest"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0),
                    models.Q(("from_wallet_id", models.F("to_wallet_id")), _negated=True),
                ),
                name="payments_transfer_to_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutitem",
            constraint=models.UniqueConstraint(
                fields=("book_id", "payout", "balance_transaction"),
                name="payments_payout_item_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount", 0), _negated=True),
                name="payments_payout_item_not_zero",
            ),
        ),
        migrations.AddIndex(
            model_name="reserve",
            index=models.Index(
                condition=models.Q(("freed_at", None)),
                fields=["free_on"],
                name="payments_reserve_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="reserve",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="payments_reserve_positive"
            ),
        ),
    ]
