"""The demo: seeded by the public services, found again by the next start."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from apps.core.ids import decode
from apps.core.money import Money
from apps.merchants import selectors as merchants
from apps.merchants import services as onboarding
from apps.merchants.models import ApiKey, BankAccount, FeePlan, Merchant
from apps.payments.models import BankReceipt, Payment, SuspenseCase
from apps.wallets import selectors as wallets
from apps.wallets import services as holding
from apps.wallets.models import Customer, PaymentMethod, Wallet
from paysys import demo, demo_transfers

ALL = (Merchant, ApiKey, BankAccount, FeePlan, User, Customer, PaymentMethod, Wallet)
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.django_db
class TestDemo:
    @pytest.fixture
    def seeded(self):
        return demo.seed(known={}, now=NOW)

    def test_every_merchant_has_a_key_that_works(self, seeded):
        assert len(seeded["merchants"]) == 4
        for one in seeded["merchants"]:
            caller = merchants.by_api_key(one["api_key"], NOW)
            assert caller.book_id == decode("merchant", one["id"])

    def test_the_first_merchant_pays_three_percent(self, seeded):
        quote = merchants.fee_for(
            book_id=demo.MERCHANTS[0].id, method="card", amount=Money("100.00", "USD"), now=NOW
        )
        assert quote.fee == Money("3.00", "USD")

    @pytest.mark.parametrize("currency", ["EUR", "USD"])
    def test_every_merchant_has_a_plan_for_both_currencies(self, seeded, currency):
        for one in demo.MERCHANTS:
            assert FeePlan.objects.filter(book_id=one.id, currency=currency).exists()

    def test_every_merchant_has_customers_with_a_card(self, seeded):
        for one in demo.MERCHANTS:
            methods = wallets.list_payment_methods(book_id=one.id)
            assert methods.filter(customer_id__isnull=False).count() == len(demo.CUSTOMERS)

    def test_every_customer_has_a_wallet_in_the_merchants_currency(self, seeded):
        for one in demo.MERCHANTS:
            opened = wallets.list_wallets(book_id=one.id, currency=one.currency)
            assert opened.count() == len(demo.CUSTOMERS)

    def test_every_owner_can_be_paid_at_once(self, seeded):
        for one in demo.MERCHANTS:
            for currency in one.fixed:
                found = merchants.find_default_bank_account(
                    book_id=one.id, customer_id=None, currency=currency, now=NOW
                )
                assert found.usable_from <= NOW
            assert merchants.payout_terms(one.id).delay_days == 0
            for customer in wallets.list_customers(book_id=one.id):
                found = merchants.find_default_bank_account(
                    book_id=one.id, customer_id=customer.id, currency=one.currency, now=NOW
                )
                assert found.usable_from <= NOW

    def test_customers_of_before_there_were_wallets_get_one(self, seeded):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("DELETE FROM wallets_wallet")
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        demo.seed(known=seeded, now=NOW)
        assert Wallet.objects.count() == len(demo.MERCHANTS) * len(demo.CUSTOMERS)

    def test_a_customer_who_was_erased_is_left_alone(self, seeded):
        book_id = demo.MERCHANTS[0].id
        customer = wallets.list_customers(book_id=book_id).first()
        holding.erase_customer(book_id=book_id, customer_id=customer.id, actor="system", now=NOW)
        assert demo.seed(known=seeded, now=NOW) == seeded

    def test_seeding_again_changes_nothing(self, seeded):
        counts = [model.objects.count() for model in ALL]
        assert demo.seed(known=seeded, now=NOW) == seeded
        assert [model.objects.count() for model in ALL] == counts

    def test_a_revoked_key_is_replaced(self, seeded):
        first = seeded["merchants"][0]
        book_id = decode("merchant", first["id"])
        caller = merchants.by_api_key(first["api_key"], NOW)
        onboarding.revoke_key(book_id=book_id, prefix=caller.key_id, actor="system", now=NOW)
        merchants.keys.forget_all()
        again = demo.seed(known=seeded, now=NOW)
        assert again["merchants"][0]["api_key"] != first["api_key"]
        assert again["merchants"][1:] == seeded["merchants"][1:]

    def test_with_the_file_lost_everybody_can_log_in_again(self, seeded):
        again = demo.seed(known={}, now=NOW)
        for login in again["logins"]:
            assert authenticate(None, **login) is not None

    @pytest.mark.parametrize(
        ("username", "may"),
        [
            (
                "finance",
                [
                    *("payments.answer_dispute", "payments.redirect_payout"),
                    *("payments.resolve_excesscase", "payments.resolve_suspensecase"),
                    "payments.send_back_payment",
                ],
            ),
            ("support", []),
        ],
    )
    def test_nobody_but_admin_may_do_more_than_their_work(self, seeded, username, may):
        user = User.objects.get(username=username)
        assert user.is_staff
        assert user.has_perm("merchants.view_merchant")
        allowed = sorted(user.get_all_permissions())
        assert [name for name in allowed if ".view_" not in name] == may

    def test_a_live_deployment_has_none(self, settings, tmp_path):
        settings.PAYSYS_MODE = "live"
        with pytest.raises(CommandError, match="live"):
            call_command("demo", facts=tmp_path / "seed.json")
        assert not Merchant.objects.exists()


@pytest.mark.django_db
class TestTheDemosBankTransfers:
    @pytest.fixture
    def seeded(self):
        demo.seed(known={}, now=NOW)
        demo_transfers.seed(now=NOW)

    def test_show_one_of_each(self, seeded):
        payments = Payment.objects.order_by("amount").values_list("reference", "status")
        assert list(payments) == [
            ("demo-transfer-short", "AUTHORIZED"),
            ("demo-transfer-paid", "CAPTURED"),
            ("demo-transfer-awaited", "AUTHORIZED"),
        ]
        cases = SuspenseCase.objects.order_by("amount").values_list("reason", "status")
        assert list(cases) == [("unknown_reference", "OPEN"), ("short", "OPEN")]

    def test_are_seeded_once(self, seeded):
        demo_transfers.seed(now=NOW + timedelta(days=3))
        counts = [model.objects.count() for model in (Payment, BankReceipt, SuspenseCase)]
        assert counts == [3, 3, 2]
