"""Holds over the API: placed, looked at, released; and what ends them otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.core import clock, db, ids
from apps.core.ids import new_id
from apps.idempotency.models import IdempotencyKey
from apps.ledger.tests.books import query
from apps.merchants.tests.makers import Shop, make_shop
from apps.wallets import selectors, services, tasks
from apps.wallets.models import Hold
from apps.wallets.services import standalone
from apps.wallets.tests.scene import (
    assert_books_hold,
    capture,
    error_of,
    holds_of,
    make_hold,
    make_wallet,
    usd,
    wal,
)

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture
def wallet(shop):
    return make_wallet(shop, holding=1000)


def place(shop, wallet, key="k", **body):
    return shop.post(f"{wal(wallet)}/holds", {"amount": 300, **body}, key=key)


def url_of(wallet, hold) -> str:
    return f"{wal(wallet)}/holds/{ids.encode('hold', hold)}"


def take_over(shop, wallet, hold, *, payment=None, now=None) -> None:
    with db.unit():
        services.take_over_hold(
            book_id=shop.book_id,
            wallet_id=wallet,
            hold_id=hold,
            payment_id=payment or new_id(),
            actor="system",
            now=now or clock.now(),
        )


class TestPlacing:
    def test_money_is_set_aside_for_a_week(self, shop, wallet):
        answer = place(shop, wallet, metadata={"order": "7"})
        shown = answer.json()

        assert answer.status_code == 201
        assert shown == {
            "id": shown["id"],
            "object": "hold",
            "wallet": ids.encode("wallet", wallet),
            "status": "OPEN",
            "amount": 300,
            "captured": 0,
            "currency": "USD",
            "payment": None,
            "expires_at": shown["expires_at"],
            "metadata": {"order": "7"},
            "ended_at": None,
            "created_at": shown["created_at"],
        }
        hold = Hold.objects.get()
        assert hold.expires_at - hold.created_at == 7 * DAY
        assert holds_of(shop, wallet) == (700, 300)
        assert shop.get(f"{wal(wallet)}/holds/{shown['id']}").json() == shown
        assert_books_hold()

    def test_repeat_sets_aside_once(self, shop, wallet):
        first, second = place(shop, wallet), place(shop, wallet)
        assert (second.content, second["Idempotent-Replayed"]) == (first.content, "true")
        assert holds_of(shop, wallet) == (700, 300)

    def test_without_a_key_is_400(self, shop, wallet):
        answer = place(shop, wallet, key=None)
        assert answer.status_code == 400
        assert holds_of(shop, wallet) == (1000, 0)

    def test_more_than_there_is_is_402_with_what_there_is(self, shop, wallet):
        place(shop, wallet, key="first")
        answer = place(shop, wallet, amount=701)

        assert answer.status_code == 402
        assert error_of(answer)["code"] == "insufficient_funds"
        assert (error_of(answer)["available"], error_of(answer)["currency"]) == (700, "USD")
        assert holds_of(shop, wallet) == (700, 300)
        assert place(shop, wallet, amount=701).content == answer.content

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"amount": 0}, "amount"),
            ({"amount": "300"}, "amount"),
            ({"amount": 3.5}, "amount"),
            ({"amount": 10**12 + 1}, "amount"),
            ({"amount": None}, "amount"),
            ({"currency": "usd"}, "currency"),
            ({"expires_in": 0}, "expires_in"),
            ({"expires_in": 30 * 24 * 3600 + 1}, "expires_in"),
            ({"expires_in": "60"}, "expires_in"),
            ({"expires_in": True}, "expires_in"),
            ({"payment": "pay_1"}, "payment"),
            ({"metadata": {"a": 1}}, "metadata[a]"),
        ],
    )
    def test_wrong_fields_are_400_and_set_nothing_aside(self, shop, wallet, body, param):
        answer = place(shop, wallet, **body)

        assert (answer.status_code, error_of(answer)["param"]) == (400, param)
        assert holds_of(shop, wallet) == (1000, 0)
        assert not IdempotencyKey.objects.exists()

    def test_another_currency_is_422(self, shop, wallet):
        answer = place(shop, wallet, currency="EUR")
        assert (answer.status_code, error_of(answer)["code"]) == (422, "currency_mismatch")
        assert place(shop, wallet, currency="USD").status_code == 201

    @pytest.mark.parametrize("state", ["freeze", "close"])
    def test_wallet_that_is_not_active_is_409(self, shop, state):
        wallet = make_wallet(shop)
        shop.post(f"{wal(wallet)}/{state}")
        answer = place(shop, wallet)

        code = {"freeze": "wallet_frozen", "close": "wallet_closed"}[state]
        assert (answer.status_code, error_of(answer)["code"]) == (409, code)
        assert not Hold.objects.exists()

    def test_another_merchants_wallet_is_404(self, shop):
        theirs = make_wallet(make_shop(), holding=1000)
        assert place(shop, theirs).status_code == 404
        assert not Hold.objects.exists()


class TestReading:
    def test_list_is_newest_first_and_filters_by_status(self, shop, wallet):
        holds = [make_hold(shop, wallet) for _ in range(3)]
        shop.post(f"{url_of(wallet, holds[1])}/release", key="k")
        everything = shop.get(f"{wal(wallet)}/holds").json()
        still_open = shop.get(f"{wal(wallet)}/holds", status="OPEN", limit=1).json()

        assert [one["id"] for one in everything["data"]] == [
            ids.encode("hold", hold) for hold in reversed(holds)
        ]
        assert [one["id"] for one in still_open["data"]] == [ids.encode("hold", holds[2])]
        assert still_open["has_more"] is True

    def test_wrong_status_is_400(self, shop, wallet):
        assert shop.get(f"{wal(wallet)}/holds", status="GONE").status_code == 400

    def test_hold_of_another_wallet_is_404(self, shop, wallet):
        other = make_wallet(shop, holding=1000)
        hold = make_hold(shop, other)
        assert shop.get(url_of(wallet, hold)).status_code == 404
        assert shop.post(f"{url_of(wallet, hold)}/release", key="k").status_code == 404
        assert holds_of(shop, other) == (900, 100)


class TestReleasing:
    def test_all_of_it_is_available_again(self, shop, wallet):
        hold = make_hold(shop, wallet)
        answer = shop.post(f"{url_of(wallet, hold)}/release", key="k")

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["captured"]) == ("RELEASED", 0)
        assert answer.json()["ended_at"] is not None
        assert holds_of(shop, wallet) == (1000, 0)
        assert shop.post(f"{url_of(wallet, hold)}/release", key="k").content == answer.content
        trail = audit.list_entries(book_id=shop.book_id, subject_id=hold)
        assert [entry.action for entry in trail] == ["hold.placed", "hold.released"]
        assert_books_hold()

    def test_also_from_a_frozen_wallet(self, shop, wallet):
        hold = make_hold(shop, wallet)
        shop.post(f"{wal(wallet)}/freeze")
        assert shop.post(f"{url_of(wallet, hold)}/release", key="k").status_code == 200
        assert holds_of(shop, wallet) == (1000, 0)

    @pytest.mark.parametrize("end", ["RELEASED", "CAPTURED", "EXPIRED"])
    def test_what_has_ended_is_409_with_how(self, shop, wallet, end):
        hold = make_hold(shop, wallet)
        if end == "CAPTURED":
            capture(shop, wallet, hold)
        elif end == "EXPIRED":
            services.expire_holds(now=clock.now() + 8 * DAY)
        else:
            shop.post(f"{url_of(wallet, hold)}/release", key="first")
        before = holds_of(shop, wallet)
        answer = shop.post(f"{url_of(wallet, hold)}/release", key="k")

        assert answer.status_code == 409
        assert error_of(answer)["code"] == "hold_not_open"
        assert error_of(answer)["status"] == end
        assert holds_of(shop, wallet) == before
        assert_books_hold()

    def test_a_payments_hold_is_409(self, shop, wallet):
        hold, payment = make_hold(shop, wallet), new_id()
        take_over(shop, wallet, hold, payment=payment)
        answer = shop.post(f"{url_of(wallet, hold)}/release", key="k")

        assert (answer.status_code, error_of(answer)["code"]) == (409, "hold_of_payment")
        assert error_of(answer)["payment"] == ids.encode("pay", payment)
        assert holds_of(shop, wallet) == (900, 100)

    def test_a_hold_taken_over_at_this_moment_is_not_released(self, shop, wallet):
        hold = make_hold(shop, wallet)
        with pytest.raises(db.GuardFailed), db.unit():
            services.release_standalone_hold(
                book_id=shop.book_id,
                wallet_id=wallet,
                hold_id=hold,
                actor="system",
                now=clock.now(),
            )
            with transaction.atomic():
                Hold.objects.update(payment_id=new_id(), expires_at=None)
        assert holds_of(shop, wallet) == (900, 100)


class TestCapturing:
    def test_in_part_gives_back_the_rest(self, shop, wallet):
        hold = make_hold(shop, wallet, 300)
        capture(shop, wallet, hold, usd(120))

        shown = shop.get(url_of(wallet, hold)).json()
        assert (shown["status"], shown["amount"], shown["captured"]) == ("CAPTURED", 300, 120)
        assert holds_of(shop, wallet) == (880, 0)
        assert_books_hold()

    def test_twice_is_once(self, shop, wallet):
        hold = make_hold(shop, wallet, 300)
        capture(shop, wallet, hold)
        with pytest.raises(db.GuardFailed):
            capture(shop, wallet, hold)
        assert holds_of(shop, wallet) == (700, 0)


class TestTakingOver:
    def test_makes_it_a_payments_and_ends_its_time(self, shop, wallet):
        hold, payment = make_hold(shop, wallet), new_id()
        take_over(shop, wallet, hold, payment=payment)

        shown = shop.get(url_of(wallet, hold)).json()
        assert shown["payment"] == ids.encode("pay", payment)
        assert (shown["status"], shown["expires_at"]) == ("OPEN", None)
        assert services.expire_holds(now=clock.now() + 100 * DAY) == 0
        capture(shop, wallet, hold)
        assert_books_hold()

    def test_is_refused_for_what_is_over_or_somebodys(self, shop, wallet):
        taken, ended, late = (make_hold(shop, wallet) for _ in range(3))
        take_over(shop, wallet, taken)
        capture(shop, wallet, ended)
        with pytest.raises(services.HoldOfPayment):
            take_over(shop, wallet, taken)
        for hold, now, status in (
            (ended, clock.now(), "CAPTURED"),
            (late, clock.now() + 8 * DAY, "EXPIRED"),
        ):
            with pytest.raises(services.HoldNotOpen) as refused:
                take_over(shop, wallet, hold, now=now)
            assert refused.value.extra == {"status": status}

    def test_of_a_hold_that_ends_at_this_moment_changes_nothing(self, shop, wallet):
        hold = make_hold(shop, wallet)
        with pytest.raises(db.GuardFailed), db.unit():
            services.take_over_hold(
                book_id=shop.book_id,
                wallet_id=wallet,
                hold_id=hold,
                payment_id=new_id(),
                actor="system",
                now=clock.now(),
            )
            with transaction.atomic():
                Hold.objects.update(status="RELEASED", ended_at=clock.now())
        assert Hold.objects.get().payment_id is None


class TestExpiring:
    def test_ends_what_is_due_and_nothing_else(self, shop, wallet):
        due, later, taken = (
            make_hold(shop, wallet, 100, lasts=lasts) for lasts in (DAY, 3 * DAY, DAY)
        )
        take_over(shop, wallet, taken)
        assert services.expire_holds(now=clock.now() + 2 * DAY) == 1

        found = {hold.id: hold.status for hold in Hold.objects.all()}
        assert found == {due: "EXPIRED", later: "OPEN", taken: "OPEN"}
        assert holds_of(shop, wallet) == (800, 200)
        trail = audit.list_entries(book_id=shop.book_id, subject_id=due)
        assert [entry.action for entry in trail] == ["hold.placed", "hold.expired"]
        assert trail[1].actor == "system"
        assert services.expire_holds(now=clock.now() + 2 * DAY) == 0
        assert_books_hold()

    def test_goes_through_all_of_them_batch_by_batch(self, shop, wallet, monkeypatch):
        monkeypatch.setattr(standalone, "EXPIRY_BATCH", 2)
        for number in range(5):
            make_hold(shop, wallet, lasts=DAY + number * timedelta(hours=1))
        assert services.expire_holds(now=clock.now() + 2 * DAY) == 5
        assert holds_of(shop, wallet) == (1000, 0)

    def test_what_cannot_be_ended_keeps_no_other_from_its_end(self, shop, wallet, caplog):
        stuck = make_hold(shop, wallet, 100, lasts=DAY)
        with connection.cursor() as cursor:
            cursor.execute(
                "BEGIN; SET LOCAL session_replication_role = replica; UPDATE wallets_hold"
                " SET amount = 5000, expires_at = expires_at - interval '1 hour'; COMMIT"
            )
        make_hold(shop, wallet, 200, lasts=DAY)
        assert services.expire_holds(now=clock.now() + 2 * DAY) == 1

        assert [hold.id for hold in Hold.objects.filter(status="OPEN")] == [stuck]
        assert "wallets.hold_not_expired" in caplog.text

    def test_job_asks_for_the_present(self, shop, wallet):
        make_hold(shop, wallet, lasts=timedelta(microseconds=1))
        make_hold(shop, wallet)
        assert tasks.expire_holds() == 1

    def test_hold_of_another_book_expires_too(self, shop, wallet):
        other = make_shop()
        make_hold(other, make_wallet(other, holding=100), lasts=DAY)
        make_hold(shop, wallet, lasts=DAY)
        assert services.expire_holds(now=clock.now() + 2 * DAY) == 2
        assert_books_hold()


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE wallets_hold SET amount = 7",
            "UPDATE wallets_hold SET wallet_id = gen_random_uuid()",
            "UPDATE wallets_hold SET status = 'CAPTURED', captured = 500, ended_at = now()",
            "UPDATE wallets_hold SET status = 'RELEASED'",
            "UPDATE wallets_hold SET expires_at = NULL",
            "UPDATE wallets_hold SET payment_id = gen_random_uuid()",
            "DELETE FROM wallets_hold",
            "TRUNCATE wallets_hold",
        ],
    )
    def test_refuses_what_the_code_does_not_do(self, shop, wallet, change):
        make_hold(shop, wallet)
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            query(change)
        assert refused.value.__cause__.sqlstate in ("WL001", "PS002", "23514")

    def test_ended_hold_stays_ended(self, shop, wallet):
        capture(shop, wallet, make_hold(shop, wallet))
        with pytest.raises(DatabaseError, match="ends once"), transaction.atomic():
            Hold.objects.update(status="OPEN", captured=0, ended_at=None)

    def test_the_same_hold_is_placed_once(self, shop, wallet):
        hold = make_hold(shop, wallet)
        row = selectors.get_hold(book_id=shop.book_id, wallet_id=wallet, id=hold)
        with pytest.raises(IntegrityError), db.unit():
            services.place_hold(
                book_id=shop.book_id,
                wallet_id=wallet,
                hold_id=hold,
                amount=usd(100),
                payment_id=None,
                expires_at=row.expires_at,
                actor="system",
                now=clock.now(),
            )
        assert holds_of(shop, wallet) == (900, 100)
