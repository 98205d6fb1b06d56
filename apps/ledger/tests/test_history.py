"""An account's history: pages from the newest line back, and whole periods, which add up."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Thread

import pytest
from django.db import connection, transaction

from apps.core import db
from apps.core.ids import new_id
from apps.ledger import chart, selectors
from apps.ledger import services as ledger
from apps.ledger.selectors.history import MAX_PAGE
from apps.ledger.tests.books import (
    at_once,
    balance,
    eur,
    fill,
    lines,
    post,
    post_many,
    posting,
    query,
    settle,
    take_checkpoints,
    until_true,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)


def history(book, code, **options):
    return selectors.history(book_id=book, codes=[code], currency="EUR", **options)


def statement(book, *codes, **options):
    """The statement with all its lines taken."""
    found = selectors.statement(book_id=book, codes=codes, currency="EUR", **options)
    return found.opening, list(found.lines), found.closing


def top_up(book, wallet, amount, **options):
    return post(book, f"debit platform:bank {amount}\n credit {wallet} {amount}", **options)


def spend(book, wallet, amount, **options):
    return post(book, f"debit {wallet} {amount}\n credit merchant:pending {amount}", **options)


def amounts(found):
    return [line.amount.amount for line in found]


def adds_up(opening, found, closing):
    """Whether lines, oldest first, lead from the one to the other, balance by balance."""
    running = opening
    for line in found:
        running += line.amount
        assert line.balance == running
    assert running == closing


class TestPage:
    def test_newest_line_comes_first_and_closes_with_the_balance(self, book, wallet):
        top_up(book, wallet, 100, kind="top_up", reference="t")
        spend(book, wallet, 30)

        page = history(book, wallet)

        assert (page.opening, page.closing, page.more) == (eur(0), eur(70), False)
        assert [(line.amount, line.balance) for line in page.lines] == [
            (eur(-30), eur(70)),
            (eur(100), eur(100)),
        ]
        assert (page.lines[1].kind, page.lines[1].reference) == ("top_up", "t")

    def test_one_transaction_is_one_line(self, book, wallet):
        post(
            book,
            f"""
            debit  platform:bank   100
            credit {wallet}        100
            debit  {wallet}          3
            credit platform:fees     3
            """,
        )
        assert amounts(history(book, wallet).lines) == [97]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    @pytest.mark.parametrize("with_checkpoint", [True, False])
    def test_pages_meet_where_the_one_before_began(self, book, wallet, limit, with_checkpoint):
        for amount in range(1, 6):
            top_up(book, wallet, amount)
        if with_checkpoint:
            take_checkpoints()
        one = f"debit platform:bank 1\n credit {wallet} 1"
        post_many(book, [posting(one) for _ in range(3)])  # recorded at one moment
        spend(book, wallet, 2)

        closing, cursor, seen, more = eur(balance(book, wallet)), None, [], True
        while more:
            page = history(book, wallet, older_than=cursor, limit=limit)
            assert page.closing == closing
            adds_up(page.opening, page.lines[::-1], page.closing)
            seen += page.lines
            closing, cursor, more = page.opening, page.lines[-1].place.transaction_id, page.more

        assert closing == eur(0)
        assert amounts(seen) == [-2, 1, 1, 1, 5, 4, 3, 2, 1]
        back = history(book, wallet, newer_than=cursor, limit=4)
        assert (amounts(back.lines), back.more) == ([5, 4, 3, 2], True)
        assert (back.opening, back.closing) == (eur(1), eur(15))

    def test_lines_of_a_period_alone(self, book, wallet):
        moments = []
        for amount in (1, 2, 4, 8):
            reference = top_up(book, wallet, amount)
            moments.append(moment_of(wallet, reference))
        page = history(book, wallet, since=moments[1], until=moments[3])
        assert amounts(page.lines) == [4, 2]
        assert (page.opening, page.closing) == (eur(1), eur(7))

    def test_a_cursor_beyond_the_period_meets_its_end(self, book, wallet):
        first, last = (top_up(book, wallet, amount) for amount in (1, 2))
        since, until = moment_of(wallet, first), moment_of(wallet, last)
        inside = history(book, wallet, until=until, older_than=transaction_of(last))
        assert (amounts(inside.lines), inside.closing) == ([1], eur(1))
        later = history(book, wallet, since=until, newer_than=transaction_of(first))
        assert (amounts(later.lines), later.opening) == ([2], eur(1))
        none = history(book, wallet, until=since, newer_than=transaction_of(first))
        assert none.lines == ()

    def test_of_an_account_nobody_posted_to_is_empty(self, book, wallet):
        page = history(book, wallet)
        assert (page.opening, page.lines, page.closing, page.more) == (eur(0), (), eur(0), False)

    def test_a_line_of_another_account_is_no_place_here(self, book, wallet):
        other = top_up(book, f"wallet:{new_id()}:available", 10)
        for cursor in ({"older_than": transaction_of(other)}, {"newer_than": new_id()}):
            with pytest.raises(selectors.UnknownLine):
                history(book, wallet, **cursor)

    def test_of_an_unlocked_account_is_read_from_its_checkpoint(self, book):
        post(book, "debit payment:unallocated 9\n credit merchant:pending 9")
        take_checkpoints()
        post(book, "debit merchant:pending 2\n credit merchant:payable 2")
        page = history(book, "merchant:pending", limit=1)
        assert (page.opening, page.closing, page.more) == (eur(9), eur(7), True)

    def test_a_code_that_is_not_of_the_chart_is_a_bug(self, book):
        with pytest.raises(chart.UnknownCode):
            history(book, "merchant:balance")


class TestBalanceBefore:
    @pytest.mark.parametrize("checkpoints", [(), (3,), (1, 4), (0, 2, 5, 7)])
    def test_is_the_sum_from_wherever_it_is_computed(self, book, wallet, checkpoints):
        """Later and earlier checkpoints, the row and nothing at all are four ways to one sum."""
        for number in range(8):
            top_up(book, wallet, number + 1)
            post(book, f"debit {wallet} 1\n credit merchant:pending 1")
            if number in checkpoints:
                take_checkpoints()
        rows = query(
            "SELECT e.account_id, e.created_at, e.transaction_id,"
            " -sum(e.entry_type * e.amount) OVER (PARTITION BY e.account_id"
            " ORDER BY e.created_at, e.transaction_id) + e.entry_type * e.amount"
            " FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id"
            " WHERE a.normal_side = -1"
        )
        assert rows
        for account, at, transaction_id, expected in rows:
            for near in (True, False):
                found = balance_before(account, at, transaction_id, is_near=near)
                assert found == expected


class TestOrder:
    def test_a_row_is_read_in_the_order_of_its_locks(self, book, wallet):
        """A posting that began earlier and got the row later stands later."""
        top_up(book, wallet, 10)
        other = f"wallet:{'0' * 8}-0000-0000-0000-{'0' * 12}:available"  # locked before the wallet
        top_up(book, other, 10)
        waits = Thread(target=lambda: (spend_both(book, other, wallet), connection.close()))
        with transaction.atomic():
            ledger.lock_balance(book_id=book, code=other, currency="EUR")
            waits.start()
            until_true(lambda: query("SELECT 1 FROM pg_locks WHERE NOT granted"))
            (reference,) = at_once([lambda: top_up(book, wallet, 5)])
            assert isinstance(reference, str)
        waits.join(30)

        assert amounts(history(book, wallet).lines) == [-15, 5, 10]
        adds_up(*statement(book, wallet))
        assert violations() == []

    def test_no_line_is_below_the_floor_whatever_came_together(self, book):
        wallets = [f"wallet:{new_id()}:available" for _ in range(3)]
        for code in wallets:
            top_up(book, code, 3)

        def to_and_fro(number):
            for turn in range(12):
                one, two = wallets[(number + turn) % 3], wallets[(number * turn + 1) % 3]
                if one != two:
                    with suppress(ledger.InsufficientFunds):
                        post(book, f"debit {one} 2\n credit {two} 2")

        assert at_once([lambda n=n: to_and_fro(n) for n in range(8)]) == [None] * 8
        for code in wallets:
            opening, found, closing = statement(book, code)
            adds_up(opening, found, closing)
            assert closing.amount == balance(book, code)
            assert min(line.balance.amount for line in found) >= 0


class TestStatement:
    @pytest.mark.parametrize("count", [0, 1, 5, MAX_PAGE, MAX_PAGE + 1, 2 * MAX_PAGE + 7])
    def test_is_whole_however_long(self, book, wallet, count):
        fill(book, wallet, count)
        opening, found, closing = statement(book, wallet)
        assert (opening, len(found), closing) == (eur(0), count, eur(count))
        adds_up(opening, found, closing)

    def test_of_neighboring_periods_meet(self, book, wallet):
        moments = [moment_of(wallet, top_up(book, wallet, amount)) for amount in (1, 2, 4, 8, 16)]
        bounds = [None, moments[1], moments[3], None]
        opening = eur(0)
        for since, until in pairwise(bounds):
            begins, found, ends = statement(book, wallet, since=since, until=until)
            assert begins == opening
            adds_up(begins, found, ends)
            opening = ends
        assert opening == eur(31)

    def test_before_and_after_everything_is_empty(self, book, wallet):
        top_up(book, wallet, 10)
        long_ago, tomorrow = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(1)
        assert statement(book, wallet, until=long_ago) == (eur(0), [], eur(0))
        assert statement(book, wallet, since=tomorrow) == (eur(10), [], eur(10))
        assert statement(book, wallet, since=tomorrow, until=long_ago)[1] == []

    def test_ends_where_it_was_asked_for_while_postings_go_on(self, book, wallet):
        fill(book, wallet, MAX_PAGE + 3)
        found = selectors.statement(book_id=book, codes=[wallet], currency="EUR")
        taken = [next(found.lines)]
        top_up(book, wallet, 1000)
        spend(book, wallet, 7)
        taken += found.lines

        adds_up(found.opening, taken, found.closing)
        assert found.closing == eur(MAX_PAGE + 3)

    def test_of_several_accounts_shows_what_moved_their_sum(self, book):
        post(book, "debit payment:unallocated 100\n credit merchant:pending 100")
        post(book, "debit merchant:pending 100\n credit merchant:payable 100")
        post(book, "debit merchant:payable 25\n credit refund:payable 25")
        settle()
        opening, found, closing = statement(book, "merchant:pending", "merchant:payable")
        assert amounts(found) == [100, -25]
        adds_up(opening, found, closing)
        assert closing == eur(75)

    @pytest.mark.parametrize(
        "codes", [["merchant:pending"], ["merchant:payable", "merchant:reserve"]]
    )
    def test_of_what_may_still_grow_in_between_is_settled(self, book, codes):
        with pytest.raises(selectors.NotSettled):
            statement(book, *codes)
        settle()
        until = datetime.now(UTC) + timedelta(hours=1)
        with pytest.raises(selectors.NotSettled):
            statement(book, *codes, until=until)
        assert statement(book, *codes) == (eur(0), [], eur(0))

    def test_another_book_is_not_shown(self, book, wallet):
        top_up(new_id(), wallet, 10)
        assert statement(book, wallet)[1] == []


class TestCost:
    def test_a_page_reads_no_more_of_a_long_history_than_of_a_short_one(self, book, wallet):
        other = f"wallet:{new_id()}:available"
        fill(book, wallet, 30, at_a_time=10)
        fill(book, other, 3000, at_a_time=10)
        query("ANALYZE ledger_entry")
        deep = query(
            "SELECT transaction_id FROM ledger_entry e JOIN ledger_account a ON a.id = account_id"
            " WHERE a.code = %s ORDER BY e.created_at DESC, transaction_id DESC LIMIT 1 OFFSET 200",
            [other],
        )[0][0]

        assert read_rows(book, wallet) <= read_rows(book, other) <= read_rows(book, wallet) + 30
        assert read_rows(book, other, older_than=deep) < 1000


def moment_of(wallet, reference):
    ((found,),) = query(
        "SELECT e.created_at FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id"
        " JOIN ledger_transaction t ON t.id = e.transaction_id"
        " WHERE a.code = %s AND t.reference = %s",
        [wallet, reference],
    )
    return found


def transaction_of(reference):
    ((found,),) = query("SELECT id FROM ledger_transaction WHERE reference = %s", [reference])
    return found


def balance_before(account, at, transaction_id, *, is_near):
    """What the function says; far from everything, it goes back to what is known earlier."""
    body = query("SELECT pg_get_functiondef('ledger_balance_before'::regproc)")[0][0]
    with transaction.atomic():
        if not is_near:
            far = body.replace("LIMIT 1001", "LIMIT 1").replace("m.lines <= 1000", "false")
            assert far != body
            query(far)
        ((found,),) = query(
            "SELECT ledger_balance_before(%s, %s, %s)", [account, at, transaction_id]
        )
        transaction.set_rollback(True)
    return found


def spend_both(book, first, second):
    with db.unit():
        ledger.post(
            book_id=book,
            reference=f"both:{new_id()}",
            kind="test",
            lines=lines(f"debit {first} 1\n debit {second} 15\n credit merchant:pending 16"),
            occurred_at=datetime(2026, 3, 10, tzinfo=UTC),
        )


def read_rows(book, wallet, **options):
    """How many entries one page looks at."""
    with transaction.atomic():
        before = looked_at()
        history(book, wallet, **options)
        return looked_at() - before


def looked_at():
    ((found,),) = query(
        "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'ledger_entry'"
    )
    return found
