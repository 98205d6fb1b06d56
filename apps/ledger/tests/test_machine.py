"""Any sequence of steps: after each every invariant holds, and a refusal changes nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core import db
from apps.core.ids import new_id
from apps.core.money import Money
from apps.ledger import selectors
from apps.ledger import services as ledger
from apps.ledger.chart import rule_of
from apps.ledger.tests.books import (
    NOON,
    balances,
    close_day,
    counted,
    query,
    take_checkpoints,
    violations,
)
from apps.ledger.types import Line, Posting, credit, debit

WALLETS = [f"wallet:{new_id()}:{part}" for part in ("available", "held")]
CODES = [
    *WALLETS,
    "merchant:pending",
    "merchant:payable",
    "payment:unallocated",
    "platform:fees",
    "provider:stripe:clearing",
]
codes = st.sampled_from(CODES)
cents = st.integers(1, 5_000).map(lambda n: Decimal(n) / 100)
currencies = st.sampled_from(["EUR", "EUR", "EUR", "USD"])


@st.composite
def moves(draw):
    """Two to six lines that balance: so much from one account to another, once or more often."""
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        money = Money(draw(cents), draw(currencies))
        guarded = draw(st.booleans())
        source = draw(codes)
        lines.append(debit(source, money, guarded=guarded and rule_of(source).has_row))
        lines.append(credit(draw(codes), money))
    return lines


def effect(lines):
    """What the lines do to each account, on its normal side: the model's own bookkeeping."""
    moved = {}
    for code, side, money, _ in lines:
        key = code, money.currency.code
        moved[key] = moved.get(key, 0) + rule_of(code).normal_side * side * money.amount
    return moved


class Books(RuleBasedStateMachine):
    """The model keeps a dictionary of balances and knows floors; the database must agree."""

    @initialize()
    def begin(self):
        self.book = new_id()
        self.model = {}
        self.posted = {}
        self.count = 0
        self.day = NOON.date()

    def allowed(self, lines, model):
        guarded = {
            (line.code, line.amount.currency.code)
            for line in lines
            if line.guarded and line.side != rule_of(line.code).normal_side
        }
        for key, moved in effect(lines).items():
            floor = rule_of(key[0]).floor
            after = model.get(key, 0) + moved
            if (floor is not None and after < floor) or (key in guarded and after < 0):
                return False
        return True

    def applied(self, lines, model):
        after = dict(model)
        for key, moved in effect(lines).items():
            after[key] = after.get(key, 0) + moved
        return after

    def expect(self, call, *, allowed):
        """Make the call; if it should be refused, see that it is and that nothing has changed."""
        before = counted(), balances(self.book)
        if allowed:
            with db.unit():
                call()
            return
        with pytest.raises((ledger.InsufficientFunds, ledger.Misposting)), db.unit():
            call()
        assert (counted(), balances(self.book)) == before

    def post_it(self, reference, lines):
        ledger.post(book_id=self.book, reference=reference, kind="k", lines=lines, occurred_at=NOON)

    @rule(lines=moves())
    def post(self, lines):
        self.count += 1
        reference = f"r{self.count}"
        allowed = self.allowed(lines, self.model)
        self.expect(lambda: self.post_it(reference, lines), allowed=allowed)
        if allowed:
            self.model = self.applied(lines, self.model)
            self.posted[reference] = lines

    @rule(batch=st.lists(moves(), min_size=1, max_size=5))
    def post_many(self, batch):
        model, postings, allowed = self.model, [], True
        for lines in batch:
            self.count += 1
            postings.append(Posting(f"r{self.count}", "k", lines, NOON))
            allowed = allowed and self.allowed(lines, model)
            model = self.applied(lines, model)
        self.expect(lambda: ledger.post_many(book_id=self.book, postings=postings), allowed=allowed)
        if allowed:
            self.model = model
            self.posted |= {posting.reference: posting.lines for posting in postings}

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def repeat(self, data):
        reference = data.draw(st.sampled_from(sorted(self.posted)))
        before = counted()
        # A reversal is repeated by reversing again: the same lines posted by hand are another fact.
        self.expect(
            lambda: self.post_it(reference, self.posted[reference]),
            allowed=not reference.startswith("undo "),
        )
        assert counted() == before

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), lines=moves())
    def reuse(self, data, lines):
        reference = data.draw(st.sampled_from(sorted(self.posted)))
        if sorted(map(str, lines)) != sorted(map(str, self.posted[reference])):
            self.expect(lambda: self.post_it(reference, lines), allowed=False)

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def reverse(self, data):
        reference = data.draw(st.sampled_from(sorted(self.posted)))
        undone = f"undo {reference}"
        opposite = [
            Line(code, type(side)(-side), money) for code, side, money, _ in self.posted[reference]
        ]
        allowed = undone not in self.posted and self.allowed(opposite, self.model)

        def call():
            ledger.reverse(
                book_id=self.book,
                reference=reference,
                reversal_reference=undone,
                occurred_at=NOON,
            )

        if undone in self.posted:
            self.expect(call, allowed=True)  # a repeat
            return
        self.expect(call, allowed=allowed)
        if allowed:
            self.model = self.applied(opposite, self.model)
            self.posted[undone] = opposite

    @rule(lines=moves(), cent=st.sampled_from([Decimal("0.01"), Decimal("-0.01")]))
    def unbalanced(self, lines, cent):
        first = lines[0]
        wrong = Money(first.amount.amount + cent, first.amount.currency)
        self.expect(
            lambda: self.post_it("unbalanced", [first._replace(amount=wrong), *lines[1:]]),
            allowed=False,
        )

    @rule()
    def checkpoint(self):
        take_checkpoints()

    @rule()
    def close_a_day(self):
        now = NOON + (self.day - NOON.date()) + timedelta(days=1)
        close_day(self.book, self.day, now)
        self.day += timedelta(days=1)

    @invariant()
    def balances_are_the_models(self):
        if not hasattr(self, "book"):
            return
        assert balances(self.book) == {key: total for key, total in self.model.items() if total}
        for code, currency in self.model:
            read = selectors.balance(book_id=self.book, code=code, currency=currency)
            assert read.amount == self.model[code, currency]

    @invariant()
    def every_invariant_holds(self):
        assert violations() == []

    @invariant()
    def the_trial_balance_adds_up(self):
        if not hasattr(self, "book"):
            return
        rows = selectors.trial_balance(book_id=self.book, day=self.day)
        kept = {
            (row.code, row.currency): rule_of(row.code).normal_side * (row.debit - row.credit)
            for row in rows
        }
        assert kept == {key: total for key, total in self.model.items() if total}


@pytest.mark.django_db(transaction=True)
class TestBooks:
    def test_any_sequence_of_steps(self):
        class Fresh(Books):
            def teardown(self):
                """The next sequence begins with empty books."""
                query(
                    "BEGIN; SET LOCAL session_replication_role = replica;"
                    "DELETE FROM ledger_entry; DELETE FROM ledger_transaction;"
                    "DELETE FROM ledger_account; DELETE FROM ledger_checkpoint;"
                    "DELETE FROM ledger_horizon; DELETE FROM ledger_closing;"
                    "DELETE FROM ledger_day; DELETE FROM ledger_book; COMMIT"
                )

        run_state_machine_as_test(
            Fresh,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
