"""Wallets that are frozen and closed, and what the database says to the rest."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, connection, connections, transaction

from apps.audit import selectors as audit
from apps.core import clock, db
from apps.core.errors import NotFound
from apps.ledger.tests.books import query, until_true
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services
from apps.wallets.models import Wallet
from apps.wallets.tests.scene import (
    assert_books_hold,
    capture,
    error_of,
    holds_of,
    make_hold,
    make_wallet,
    spend,
    top_up,
    usd,
    violated,
    wal,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop() -> Shop:
    return make_shop()


class TestFreezing:
    def test_nothing_goes_out_and_money_comes_in(self, shop):
        wallet = make_wallet(shop, holding=500)
        hold = make_hold(shop, wallet, 100)
        shown = shop.post(f"{wal(wallet)}/freeze").json()
        assert (shown["status"], shown["available"]) == ("FROZEN", 400)

        with pytest.raises(db.GuardFailed):
            spend(shop, wallet, usd(1))
        with pytest.raises(services.WalletFrozen):
            make_hold(shop, wallet, 1)
        top_up(shop, wallet, usd(50))
        capture(shop, wallet, hold)
        assert holds_of(shop, wallet) == (450, 0)

        assert shop.post(f"{wal(wallet)}/unfreeze").json()["status"] == "ACTIVE"
        spend(shop, wallet, usd(450))
        assert_books_hold()

    def test_twice_is_once(self, shop):
        wallet = make_wallet(shop)
        for path in ("freeze", "freeze", "unfreeze", "unfreeze"):
            assert shop.post(f"{wal(wallet)}/{path}").status_code == 200
        trail = audit.list_entries(book_id=shop.book_id, subject_id=wallet)
        actions = [entry.action for entry in trail]
        assert actions == ["wallet.opened", "wallet.frozen", "wallet.unfrozen"]
        assert trail[1].actor == f"key:{shop.api_key[:20]}"

    def test_body_must_be_empty(self, shop):
        wallet = make_wallet(shop)
        answer = shop.post(f"{wal(wallet)}/freeze", {"reason": "x"})
        assert (answer.status_code, error_of(answer)["param"]) == (400, "reason")
        assert Wallet.objects.get().status == "ACTIVE"


class TestClosing:
    def test_empty_wallet_ends_for_good(self, shop):
        wallet = make_wallet(shop, holding=100)
        spend(shop, wallet, usd(100))
        shown = shop.post(f"{wal(wallet)}/close", key="k").json()

        assert shown["status"] == "CLOSED"
        assert shown["closed_at"] is not None
        assert shop.post(f"{wal(wallet)}/close").json() == shown
        for path in ("freeze", "unfreeze"):
            answer = shop.post(f"{wal(wallet)}/{path}")
            assert (answer.status_code, error_of(answer)["code"]) == (409, "wallet_closed")
        with pytest.raises(db.GuardFailed):
            top_up(shop, wallet, usd(1))
        with pytest.raises(db.GuardFailed):
            spend(shop, wallet, usd(1))
        assert holds_of(shop, wallet) == (0, 0)
        assert_books_hold()

    def test_frozen_wallet_is_closed_too(self, shop):
        wallet = make_wallet(shop)
        shop.post(f"{wal(wallet)}/freeze")
        assert shop.post(f"{wal(wallet)}/close").json()["status"] == "CLOSED"

    def test_money_in_it_is_409_with_the_amounts(self, shop):
        wallet = make_wallet(shop, holding=500)
        make_hold(shop, wallet, 200)
        for spent in (0, 300):
            if spent:
                spend(shop, wallet, usd(spent))
            error = error_of(shop.post(f"{wal(wallet)}/close"))
            assert error["code"] == "wallet_not_empty"
            assert (error["available"], error["held"]) == (300 - spent, 200)
            assert error["currency"] == "USD"
        assert Wallet.objects.get().status == "ACTIVE"

    def test_a_credit_on_its_way_is_waited_for(self, shop):
        """The credit's transaction is not committed when the wallet is to be closed."""
        wallet, answers = make_wallet(shop), []

        def close():
            answers.append(shop.post(f"{wal(wallet)}/close"))
            connections.close_all()

        closes = threading.Thread(target=close)
        with transaction.atomic():
            top_up(shop, wallet, usd(100))
            closes.start()
            until_somebody_waits()
        closes.join(30)

        assert [error_of(answer)["code"] for answer in answers] == ["wallet_not_empty"]
        assert_books_hold()

    def test_a_credit_that_comes_too_late_is_refused(self, shop):
        wallet, raised = make_wallet(shop), []

        def credit():
            try:
                top_up(shop, wallet, usd(100))
            except db.GuardFailed as error:
                raised.append(error)
            connections.close_all()

        comes = threading.Thread(target=credit)
        with transaction.atomic():
            services.close_wallet(
                book_id=shop.book_id, wallet_id=wallet, actor="system", now=clock.now()
            )
            comes.start()
            until_somebody_waits()
        comes.join(30)

        assert len(raised) == 1
        assert holds_of(shop, wallet) == (0, 0)
        assert_books_hold()


def until_somebody_waits() -> None:
    until_true(lambda: query("SELECT 1 FROM pg_locks WHERE NOT granted"))


class TestServices:
    def test_wallet_of_another_merchant_is_nobodys(self, shop):
        theirs = make_wallet(make_shop(), holding=10)
        with pytest.raises(NotFound):
            services.freeze_wallet(
                book_id=shop.book_id, wallet_id=theirs, actor="system", now=clock.now()
            )
        for guard in (services.require_active, services.require_open):
            with pytest.raises(db.GuardFailed), db.unit():
                guard(book_id=shop.book_id, wallet_id=theirs, currency="USD")

    def test_the_guards_know_the_currency(self, shop):
        wallet = make_wallet(shop)
        for guard in (services.require_active, services.require_open):
            with db.unit():
                guard(book_id=shop.book_id, wallet_id=wallet, currency="USD")
            with pytest.raises(db.GuardFailed), db.unit():
                guard(book_id=shop.book_id, wallet_id=wallet, currency="EUR")

    def test_refusals_say_why(self, shop):
        wallet = make_wallet(shop)
        read = selectors.get_wallet(book_id=shop.book_id, id=wallet)
        services.refuse_unless_active(read)
        with pytest.raises(services.CurrencyMismatch):
            services.refuse_other_currency(read, "EUR")
        for status, error in (
            ("FROZEN", services.WalletFrozen),
            ("CLOSED", services.WalletClosed),
        ):
            read.status = status
            with pytest.raises(error):
                services.refuse_unless_active(read)
        with pytest.raises(services.WalletClosed):
            services.refuse_unless_open(read)


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE wallets_wallet SET currency = 'EUR'",
            "UPDATE wallets_wallet SET customer_id = gen_random_uuid()",
            "UPDATE wallets_wallet SET status = 'CLOSED'",
            "UPDATE wallets_wallet SET status = 'GONE'",
            "DELETE FROM wallets_wallet",
            "TRUNCATE wallets_wallet CASCADE",
        ],
    )
    def test_refuses_what_the_code_does_not_do(self, shop, change):
        make_wallet(shop)
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            query(change)
        assert refused.value.__cause__.sqlstate in ("WL001", "PS002", "23514")

    def test_closed_wallet_is_never_opened_again(self, shop):
        wallet = make_wallet(shop)
        shop.post(f"{wal(wallet)}/close")
        with pytest.raises(DatabaseError, match="once closed"), transaction.atomic():
            Wallet.objects.update(status="ACTIVE", closed_at=None)


class TestInvariants:
    @pytest.mark.parametrize(
        ("damage", "broken"),
        [
            ("UPDATE wallets_hold SET amount = amount + 1", "wallet_held_is_its_open_holds"),
            (
                "UPDATE wallets_wallet SET status = 'CLOSED', closed_at = now()",
                "wallet_money_is_of_a_wallet",
            ),
            (
                "UPDATE wallets_wallet SET status = 'CLOSED', closed_at = now()",
                "hold_stays_in_its_wallet",
            ),
            ("UPDATE wallets_wallet SET currency = 'EUR'", "wallet_money_is_of_a_wallet"),
            ("UPDATE wallets_hold SET currency = 'EUR'", "hold_stays_in_its_wallet"),
            ("UPDATE wallets_wallet SET version = 2", "wallet_change_is_audited"),
            (
                "UPDATE wallets_hold SET status = 'RELEASED', ended_at = now()",
                "hold_change_is_audited",
            ),
            ("DELETE FROM audit_entry WHERE action = 'hold.placed'", "hold_change_is_audited"),
            ("DELETE FROM wallets_wallet", "hold_stays_in_its_wallet"),
        ],
    )
    def test_each_can_fail(self, shop, damage, broken):
        make_hold(shop, make_wallet(shop, holding=500), 200)
        assert_books_hold()
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {damage}; COMMIT")
        assert broken in violated()
