"""Many at once, again and again: a wallet gives what it has, a hold ends once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.core import clock, db
from apps.core.ids import new_id
from apps.core.money import Money
from apps.ledger import chart
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services
from apps.wallets.models import Hold, Wallet
from apps.wallets.tests.scene import (
    assert_books_hold,
    holds_of,
    make_hold,
    make_wallet,
    spend,
    top_up,
    usd,
)
from paysys.testing.crowd import ROUNDS, crowd, said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.repeated]


@pytest.fixture
def shop() -> Shop:
    return make_shop()


def end(shop, hold, how, *, now) -> None:
    """End a hold as it was read: capture it in full, in part, or let go of it."""
    with db.unit():
        facts = {
            "book_id": shop.book_id,
            "wallet_id": hold.wallet_id,
            "hold_id": hold.id,
            "held": Money(hold.amount, hold.currency),
            "actor": "system",
            "now": now,
        }
        if how == "release":
            services.release_hold(**facts)
            return
        services.capture_hold(
            **facts,
            amount=usd(100) if how == "capture" else usd(40),
            into=chart.PAYMENT_UNALLOCATED,
            reference=f"capture:{new_id()}",
        )


class TestSpending:
    def test_fifty_spend_what_covers_three_and_three_get_it(self, shop):
        def act(number):
            if number % 2:
                spend(shop, wallet, usd(30))
            else:
                make_hold(shop, wallet, 30)

        with crowd(50) as people:
            for _ in range(ROUNDS):
                wallet = make_wallet(shop, holding=100)
                assert said(people.at_once(act)) == {"done": 3, "InsufficientFunds": 47}
                available, held = holds_of(shop, wallet)
                assert available == 10
                assert held in (0, 30, 60, 90)
        assert_books_hold()


class TestEndingAHold:
    def test_a_hundred_capture_it_and_one_has_it(self, shop):
        def act(number):
            end(shop, hold, "capture" if number % 2 else "part", now=clock.now())

        with crowd(100) as people:
            for _ in range(ROUNDS):
                wallet = make_wallet(shop, holding=100)
                make_hold(shop, wallet, 100)
                hold = Hold.objects.get(wallet_id=wallet)
                assert said(people.at_once(act)) == {"done": 1, "GuardFailed": 99}
                assert holds_of(shop, wallet) in ((0, 0), (60, 0))
        assert_books_hold()

    def test_expiry_capture_and_release_meet_and_one_ends_it(self, shop):
        later = clock.now() + timedelta(days=8)

        def act(number):
            if number < 2:
                if not services.expire_holds(now=later):
                    raise db.GuardFailed("nothing was due any more")
            else:
                end(shop, hold, ("capture", "part", "release")[number - 2], now=clock.now())

        with crowd(5) as people:
            for _ in range(ROUNDS):
                wallet = make_wallet(shop, holding=100)
                make_hold(shop, wallet, 100)
                hold = Hold.objects.get(wallet_id=wallet)
                assert said(people.at_once(act)) == {"done": 1, "GuardFailed": 4}
                hold.refresh_from_db()
                taken = int(hold.captured * 100)
                assert holds_of(shop, wallet) == (100 - taken, 0)
        assert_books_hold()

    def test_a_payment_takes_it_over_or_it_expires(self, shop):
        later = clock.now() + timedelta(days=8)

        def act(number):
            if number % 2:
                if not services.expire_holds(now=later):
                    raise db.GuardFailed("nothing was due any more")
                return
            with db.unit():
                services.take_over_hold(
                    book_id=shop.book_id,
                    wallet_id=wallet,
                    hold_id=hold.id,
                    payment_id=new_id(),
                    actor="system",
                    now=clock.now(),
                )

        with crowd(6) as people:
            for _ in range(ROUNDS):
                wallet = make_wallet(shop, holding=100)
                make_hold(shop, wallet, 100)
                hold = Hold.objects.get(wallet_id=wallet)
                counted = said(people.at_once(act))
                assert counted.pop("done") == 1
                assert set(counted) <= {"GuardFailed", "HoldNotOpen", "HoldOfPayment"}
                hold.refresh_from_db()
                expired = hold.status == "EXPIRED"
                assert (hold.payment_id is None) == expired
                assert holds_of(shop, wallet) == ((100, 0) if expired else (0, 100))
        assert_books_hold()


class TestClosing:
    def test_a_wallet_is_closed_or_credited_and_never_both(self, shop):
        def act(number):
            if number:
                return top_up(shop, wallet, usd(10))
            return services.close_wallet(
                book_id=shop.book_id, wallet_id=wallet, actor="system", now=clock.now()
            )

        with crowd(4) as people:
            for _ in range(ROUNDS):
                wallet = make_wallet(shop)
                counted = said(people.at_once(act))
                if Wallet.objects.get(id=wallet).status == "CLOSED":
                    assert counted == {"done": 1, "GuardFailed": 3}
                    assert holds_of(shop, wallet) == (0, 0)
                else:
                    assert counted == {"done": 3, "WalletNotEmpty": 1}
                    assert holds_of(shop, wallet) == (30, 0)
        assert_books_hold()


class TestHistory:
    def test_read_while_others_spend_always_adds_up(self, shop):
        """Readers and spenders at once: each page closes with a balance that really was."""

        def act(number):
            if number % 2:
                return spend(shop, wallet, usd(1))
            row = selectors.get_wallet(book_id=shop.book_id, id=wallet)
            page = selectors.history(wallet=row, limit=5)
            moved = sum((line.amount for line in page.lines), usd(0))
            assert page.opening + moved == page.closing
            assert page.lines[0].balance == page.closing
            return page.closing

        wallet = make_wallet(shop, holding=10_000)
        with crowd(8) as people:
            for _ in range(ROUNDS):
                results = people.at_once(act)
                assert said(results) == {"done": 8}, results
        assert holds_of(shop, wallet) == (10_000 - 4 * ROUNDS, 0)
        assert_books_hold()
