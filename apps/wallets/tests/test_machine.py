"""Any sequence of steps on wallets and holds: every invariant holds, and a refusal changes nothing.

The model is a dictionary of what each wallet has and of how each hold stands; it knows before each
step whether it is allowed, and the database must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core import clock, db
from apps.core.errors import DomainError
from apps.core.ids import new_id
from apps.core.money import Money, from_minor, to_minor
from apps.ledger import chart
from apps.ledger.tests.books import counted
from apps.ledger.types import credit, debit
from apps.merchants.tests.makers import make_shop
from apps.wallets import selectors, services
from apps.wallets.models import Hold, Wallet
from apps.wallets.tests.scene import holds_of, make_customer, move, violated
from paysys.testing.crowd import ROUNDS
from paysys.testing.tables import empty

purses = Bundle("purses")
amounts = st.integers(1, 400)
currencies = st.sampled_from(["USD", "JPY", "KWD"])
FIRST = ((0, "USD"), (1, "USD"), (0, "JPY"))


@dataclass
class Purse:  # in minor units
    id: UUID
    currency: str
    customer: int
    status: str = "ACTIVE"
    available: int = 0
    held: int = 0


@dataclass
class Pledge:
    """A hold as the model has it. `ends_in` is in days from the machine's beginning."""

    id: UUID
    purse: Purse
    amount: int
    ends_in: int | None
    status: str = "OPEN"
    captured: int = 0
    payment: UUID | None = None


def has_holds(machine) -> bool:
    return bool(machine.all_pledges)


class Steps(RuleBasedStateMachine):
    """Wallets with something in them, and what must be true of them after every step."""

    @initialize(target=purses, filled=st.lists(st.integers(0, 600), min_size=3, max_size=3))
    def begin(self, filled):
        """Two wallets between which money can move, and one in a currency without decimals."""
        self.shop = make_shop()
        self.customers = [make_customer(self.shop) for _ in range(2)]
        self.all_purses: list[Purse] = []
        self.all_pledges: list[Pledge] = []
        self.beginning = clock.now()
        self.day = 0
        for (customer, currency), amount in zip(FIRST, filled, strict=True):
            self.top_up_of(self.open_of(customer, currency), amount + 400)
        return multiple(*self.all_purses)

    def teardown(self):
        empty(connection)

    @property
    def now(self):
        return self.beginning + timedelta(days=self.day)

    @property
    def by(self):
        return {"book_id": self.shop.book_id, "actor": "system", "now": self.now}

    def everything(self) -> Any:
        """All that a refused step must leave as it was."""
        rows = [list(model.objects.order_by("id").values()) for model in (Wallet, Hold)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM audit_entry")
            audited = cursor.fetchone()
            cursor.execute("SELECT code, currency, balance FROM ledger_account ORDER BY 1, 2")
            return rows, audited, counted(), cursor.fetchall()

    def expect(self, call, *, allowed: bool) -> bool:
        """Make the call; if it should be refused, see that it is and that nothing has changed."""
        if allowed:
            call()
            return True
        before = self.everything()
        with pytest.raises((DomainError, db.GuardFailed)):
            call()
        assert self.everything() == before
        return False

    def open_of(self, customer, currency):
        made = Purse(new_id(), currency, customer)

        def call():
            try:
                with db.unit():
                    services.open_wallet(
                        wallet_id=made.id,
                        customer_id=self.customers[customer],
                        currency=currency,
                        metadata={},
                        **self.by,
                    )
            except IntegrityError as error:
                raise services.WalletExists from error

        wanted = (customer, currency)
        existing = [one for one in self.all_purses if (one.customer, one.currency) == wanted]
        if self.expect(call, allowed=not existing):
            self.all_purses.append(made)
            return made
        return existing[0]

    def top_up_of(self, purse, amount):
        money = from_minor(amount, purse.currency)
        lines = [
            debit(chart.PLATFORM_BANK, money),
            credit(chart.wallet_available(purse.id), money),
        ]
        call = self.moving(lines, (purse.id, services.require_open))
        if self.expect(call, allowed=purse.status != "CLOSED"):
            purse.available += amount

    def moving(self, lines, *guards):
        def call():
            (wallet_id, guard), *more = guards
            currency = lines[0].amount.currency.code
            with db.unit():
                for another, also in more:
                    also(book_id=self.shop.book_id, wallet_id=another, currency=currency)
                move(self.shop, lines, wallet_id=wallet_id, guard=guard)

        return call

    @invariant()
    def wallets_are_the_models(self):
        for purse in self.all_purses:
            assert holds_of(self.shop, purse.id) == (purse.available, purse.held)
        stored = dict(Wallet.objects.values_list("id", "status"))
        assert stored == {purse.id: purse.status for purse in self.all_purses}

    @invariant()
    def holds_are_the_models(self):
        stored = {
            hold.id: (hold.status, to_minor(Money(hold.captured, hold.currency)), hold.payment_id)
            for hold in Hold.objects.all()
        }
        assert stored == {
            pledge.id: (pledge.status, pledge.captured, pledge.payment)
            for pledge in self.all_pledges
        }

    @invariant()
    def histories_lead_to_the_balances(self):
        for purse in self.all_purses:
            wallet = selectors.get_wallet(book_id=self.shop.book_id, id=purse.id)
            statement = selectors.statement(wallet=wallet)
            running = statement.opening
            for line in statement.lines:
                running += line.amount
                assert line.balance == running
                assert running.amount >= 0
            assert to_minor(running) == purse.available

    @invariant()
    def every_invariant_holds(self):
        assert violated() == set()


class WalletSteps:
    @rule(target=purses, customer=st.integers(0, 1), currency=currencies)
    def open(self, customer, currency):
        return self.open_of(customer, currency)

    @rule(purse=purses, amount=amounts)
    def top_up(self, purse, amount):
        self.top_up_of(purse, amount)

    @rule(purse=purses, amount=amounts)
    def spend(self, purse, amount):
        money = from_minor(amount, purse.currency)
        lines = [
            debit(chart.wallet_available(purse.id), money),
            credit(chart.MERCHANT_PENDING, money),
        ]
        call = self.moving(lines, (purse.id, services.require_active))
        allowed = purse.status == "ACTIVE" and amount <= purse.available
        if self.expect(call, allowed=allowed):
            purse.available -= amount

    @rule(purse=purses, other=purses, amount=amounts)
    def transfer(self, purse, other, amount):
        if purse is other:
            return  # refused by who transfers, not by the wallets
        money = from_minor(amount, purse.currency)
        lines = [
            debit(chart.wallet_available(purse.id), money),
            credit(chart.wallet_available(other.id), money),
        ]
        call = self.moving(
            lines, (purse.id, services.require_active), (other.id, services.require_open)
        )
        allowed = purse.status == "ACTIVE" and other.status != "CLOSED"
        allowed = allowed and purse.currency == other.currency and amount <= purse.available
        if self.expect(call, allowed=allowed):
            purse.available -= amount
            other.available += amount

    @rule(purse=purses)
    def close(self, purse):
        call = partial(services.close_wallet, wallet_id=purse.id, **self.by)
        if self.expect(call, allowed=purse.available == purse.held == 0):
            purse.status = "CLOSED"


class HoldSteps:
    @rule(purse=purses, change=st.sampled_from(["freeze", "unfreeze", "unfreeze"]))
    def freeze_or_unfreeze(self, purse, change):
        service = services.freeze_wallet if change == "freeze" else services.unfreeze_wallet
        allowed = purse.status != "CLOSED"
        if self.expect(lambda: service(wallet_id=purse.id, **self.by), allowed=allowed):
            purse.status = "FROZEN" if change == "freeze" else "ACTIVE"

    def some_hold(self, data):
        """One of the holds there are, more often one that is still open."""
        is_open = [pledge for pledge in self.all_pledges if pledge.status == "OPEN"]
        return data.draw(st.sampled_from(self.all_pledges + 4 * is_open))

    @rule(
        purse=purses,
        amount=st.integers(1, 200),
        days=st.integers(1, 3),
        is_payments=st.booleans(),
    )
    def place(self, purse, amount, days, is_payments):
        made = Pledge(new_id(), purse, amount, None if is_payments else self.day + days)
        made.payment = new_id() if is_payments else None

        def call():
            with db.unit():
                services.place_hold(
                    wallet_id=purse.id,
                    hold_id=made.id,
                    amount=from_minor(amount, purse.currency),
                    payment_id=made.payment,
                    expires_at=None if is_payments else self.now + timedelta(days=days),
                    **self.by,
                )

        allowed = purse.status == "ACTIVE" and amount <= purse.available
        if self.expect(call, allowed=allowed):
            purse.available -= amount
            purse.held += amount
            self.all_pledges.append(made)

    def ended(self, pledge, status, captured=0):
        pledge.status, pledge.captured = status, captured
        pledge.purse.held -= pledge.amount
        pledge.purse.available += pledge.amount - captured

    def facts(self, pledge) -> dict[str, Any]:
        return {
            **self.by,
            "wallet_id": pledge.purse.id,
            "hold_id": pledge.id,
            "held": from_minor(pledge.amount, pledge.purse.currency),
        }

    @precondition(has_holds)
    @rule(data=st.data(), share=st.sampled_from([1, 50, 100]))
    def capture(self, data, share):
        pledge = self.some_hold(data)
        amount = max(1, pledge.amount * share // 100)

        def call():
            with db.unit():
                services.capture_hold(
                    **self.facts(pledge),
                    amount=from_minor(amount, pledge.purse.currency),
                    into=chart.PAYMENT_UNALLOCATED,
                    reference=f"capture:{new_id()}",
                )

        if self.expect(call, allowed=pledge.status == "OPEN"):
            self.ended(pledge, "CAPTURED", amount)

    @precondition(has_holds)
    @rule(data=st.data())
    def release(self, data):
        """As its payment does."""
        pledge = self.some_hold(data)

        def call():
            with db.unit():
                services.release_hold(**self.facts(pledge))

        if self.expect(call, allowed=pledge.status == "OPEN"):
            self.ended(pledge, "RELEASED")

    @precondition(has_holds)
    @rule(data=st.data())
    def release_by_hand(self, data):
        pledge = self.some_hold(data)

        def call():
            with db.unit():
                services.release_standalone_hold(
                    wallet_id=pledge.purse.id, hold_id=pledge.id, **self.by
                )

        allowed = pledge.status == "OPEN" and pledge.payment is None
        if self.expect(call, allowed=allowed):
            self.ended(pledge, "RELEASED")

    @precondition(has_holds)
    @rule(data=st.data())
    def take_over(self, data):
        pledge, payment = self.some_hold(data), new_id()

        def call():
            with db.unit():
                services.take_over_hold(
                    wallet_id=pledge.purse.id, hold_id=pledge.id, payment_id=payment, **self.by
                )

        allowed = (
            pledge.status == "OPEN" and pledge.ends_in is not None and pledge.ends_in > self.day
        )
        if self.expect(call, allowed=allowed):
            pledge.payment, pledge.ends_in = payment, None

    @rule(days=st.integers(0, 2))
    def let_time_pass(self, days):
        self.day += days
        due = [
            pledge
            for pledge in self.all_pledges
            if pledge.status == "OPEN" and pledge.ends_in is not None and pledge.ends_in <= self.day
        ]
        assert services.expire_holds(now=self.now) == len(due)
        for pledge in due:
            self.ended(pledge, "EXPIRED")


class Wallets(WalletSteps, HoldSteps, Steps): ...


class Holds(HoldSteps, Steps): ...  # and no other steps, so that many of them meet


@pytest.mark.repeated
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("machine", [Wallets, Holds])
def test_any_sequence_of_steps(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=2 * ROUNDS,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate,),  # with Phase.shrink a failure is told shorter, minutes later
            suppress_health_check=list(HealthCheck),
        ),
    )
