"""Rules decide every payment, always the same way, and what they say is sound."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.models import AuditEntry
from apps.core import clock, ids
from apps.core.errors import DomainError, InvalidRequest
from apps.core.money import Money
from apps.gateways import selectors, services
from apps.gateways.models import RoutingRule
from apps.gateways.services import rules as setting
from apps.gateways.types import Routable, Route, Rule, decide
from apps.gateways.types.routing import drawn

BOTH = ("paypal", "stripe")
ANY_ID = UUID(int=7)


def rule(position: int = 10, split: Any = (("stripe", 100),), **facts: Any) -> Rule:
    named = {"id": UUID(int=position), "name": f"number {position}", **facts}
    return Rule(position=position, split=split, **named)


def payment(amount: str = "100.00", currency: str = "USD", **facts: Any) -> Routable:
    told = {
        "payment_id": ids.new_id(),
        "merchant_id": ANY_ID,
        "method": "card",
        "candidates": BOTH,
        **facts,
    }
    return Routable(amount=Money(amount, currency), **told)


def route(asked: Routable, *rules: Rule, **shunned: str) -> Route:
    return decide(asked, rules, default="stripe", shunned=shunned).route


class TestTheFirstRuleThatFits:
    def test_decides_by_position_and_not_by_the_order_they_come_in(self):
        found = route(payment(), rule(20), rule(10, (("paypal", 100),)))

        assert (found.provider, found.rule) == ("paypal", "rule 10 “number 10”")

    @pytest.mark.parametrize(
        ("facts", "fits", "does_not"),
        [
            ({"method": "paypal"}, {"method": "paypal"}, {"method": "card"}),
            ({"currency": "EUR"}, {"currency": "EUR"}, {"currency": "USD"}),
            ({"country": "DE"}, {"country": "DE"}, {"country": "FR"}),
            ({"country": "DE"}, {"country": "DE"}, {"country": ""}),
            ({"merchant_id": ANY_ID}, {}, {"merchant_id": UUID(int=8)}),
            (
                {"currency": "USD", "amount_from": Decimal(100)},
                {"amount": "100.00"},
                {"amount": "99.99"},
            ),
            (
                {"currency": "USD", "amount_to": Decimal(100)},
                {"amount": "100.00"},
                {"amount": "100.01"},
            ),
            (
                {"currency": "EUR", "amount_to": Decimal(100)},
                {"currency": "EUR"},
                {"currency": "USD", "amount": "1.00"},
            ),
        ],
    )
    def test_is_one_whose_every_word_is_true(self, facts, fits, does_not):
        to_paypal = rule(split=(("paypal", 100),), **facts)

        assert route(payment(**fits), to_paypal).provider == "paypal"
        assert route(payment(**does_not), to_paypal).provider == "stripe"

    def test_is_not_one_none_of_whose_providers_has_a_token(self):
        asked = payment(candidates=("stripe",))
        decided = decide(asked, [rule(split=(("paypal", 100),))], default="stripe")

        assert decided.route.provider == "stripe"
        [(_, misfit)] = decided.looked_at
        assert misfit == "none of its providers can charge what the customer pays with"

    def test_passes_over_who_has_no_token_and_names_who_else_could(self):
        split = (("paypal", 100), ("stripe", 0))
        found = route(payment(candidates=("stripe",)), rule(split=split))

        assert (found.provider, found.alternatives) == ("stripe", ())
        assert found.reasons[-1] == "paypal cannot charge what the customer pays with"
        assert route(payment(), rule(split=split)).alternatives == ("stripe",)

    def test_keeps_a_payment_from_whom_it_does_not_name(self):
        assert route(payment(), rule(split=(("stripe", 100),))).alternatives == ()

    def test_passes_over_who_is_ill_unless_there_is_nobody_else(self):
        split = (("paypal", 100), ("stripe", 0))
        found = route(payment(), rule(split=split), paypal="its circuit is open")

        assert (found.provider, found.alternatives) == ("stripe", ("paypal",))
        assert found.reasons[-1] == "paypal is passed over: its circuit is open"
        alone = route(payment(candidates=("paypal",)), rule(split=split), paypal="it is ill")
        assert (alone.provider, alone.alternatives) == ("paypal", ())
        assert alone.reasons[-1] == "paypal is all there is, though it is ill"


class TestWithoutARule:
    def test_the_default_takes_a_payment_and_others_with_a_token_could(self):
        found = route(payment())

        assert (found.provider, found.alternatives, found.rule) == ("stripe", ("paypal",), "")
        assert found.reasons == ("no rule fits: stripe is the default",)

    def test_one_that_the_default_cannot_charge_goes_to_who_can(self):
        assert route(payment(candidates=("paypal",))).provider == "paypal"


PROVIDERS = ("adyen", "paypal", "stripe")
words = {
    "method": st.sampled_from(("card", "paypal")),
    "currency": st.sampled_from(("USD", "EUR", "JPY")),
    "country": st.sampled_from(("US", "DE")),
}
amounts = st.one_of(st.none(), st.integers(0, 300).map(Decimal))


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    positions = draw(st.lists(st.integers(1, 50), unique=True, max_size=6))
    made = []
    for position in positions:
        names = draw(st.lists(st.sampled_from(PROVIDERS), unique=True, min_size=1))
        cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1,
                                    max_size=len(names) - 1)))  # fmt: skip
        shares = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
        facts = {name: draw(st.one_of(st.just("*"), values)) for name, values in words.items()}
        if facts["currency"] != "*":
            facts |= {"amount_from": draw(amounts), "amount_to": draw(amounts)}
        made.append(rule(position, tuple(zip(names, shares, strict=True)), **facts))
    return made


payments = st.builds(
    lambda candidates, amount, **facts: payment(str(amount), candidates=tuple(candidates), **facts),
    candidates=st.lists(st.sampled_from(PROVIDERS), unique=True, min_size=1),
    amount=st.integers(1, 300),
    payment_id=st.uuids(),
    **{**words, "country": st.sampled_from(("", "US", "DE"))},
)
ill = st.dictionaries(st.sampled_from(PROVIDERS), st.just("ill"))


class TestAnyRules:
    @given(payments, rules(), ill)
    def test_decide_every_payment_for_somebody_who_can_charge_it(self, asked, made, shunned):
        found = route(asked, *made, **shunned)

        assert found.provider in asked.candidates
        assert set(found.alternatives) <= set(asked.candidates) - {found.provider}
        assert found.reasons
        if found.provider in shunned:
            assert set(found.alternatives) <= set(shunned)

    @given(payments, rules(), ill, st.randoms())
    def test_decide_it_the_same_way_every_time(self, asked, made, shunned, random):
        shuffled = random.sample(made, len(made))
        again = replace(asked, candidates=tuple(random.sample(asked.candidates,
                                                              len(asked.candidates))))  # fmt: skip

        assert route(again, *shuffled, **shunned) == route(asked, *made, **shunned)

    @given(payments, rules(), st.integers(51, 99))
    def test_that_come_after_the_one_that_fits_change_nothing(self, asked, made, position):
        found = route(asked, *made)

        if found.rule:
            assert route(asked, *made, rule(position, (("adyen", 100),))) == found


class TestASplit:
    def test_is_what_it_says_over_many_payments(self):
        split = rule(split=(("stripe", 70), ("paypal", 25), ("adyen", 5)))
        count = 20_000

        found = Counter(route(payment(candidates=PROVIDERS), split).provider for _ in range(count))

        # Five standard deviations of the largest share.
        assert abs(found["stripe"] - count * 0.70) < 325
        assert abs(found["paypal"] - count * 0.25) < 325
        assert abs(found["adyen"] - count * 0.05) < 325

    def test_gives_nobody_a_payment_whose_share_is_nothing(self):
        split = rule(split=(("paypal", 0), ("stripe", 100)))

        assert {route(payment(), split).provider for _ in range(500)} == {"stripe"}

    def test_of_another_rule_is_drawn_anew(self):
        first, second = UUID(int=1), UUID(int=2)
        payments = [ids.new_id() for _ in range(500)]

        same = sum(drawn(each, first) == drawn(each, second) for each in payments)
        assert same < 50, "one in a hundred by chance"


def set_rule(*, id: UUID | None = None, **facts: Any) -> RoutingRule:  # noqa: A002
    made = replace(rule(**facts), id=id or ids.new_id())
    return services.set_rule(rule=made, actor="staff:1", now=clock.now())


@pytest.mark.django_db(transaction=True)
class TestSettingRules:
    def test_is_followed_at_once_and_leaves_its_trail(self):
        row = set_rule(split=(("paypal", 100),))
        assert selectors.route(payment(), now=clock.now()).route.provider == "paypal"

        set_rule(id=row.id, split=(("stripe", 100),))
        assert selectors.route(payment(), now=clock.now()).route.provider == "stripe"

        services.remove_rule(rule_id=row.id, actor="staff:1", now=clock.now())
        assert selectors.route(payment(), now=clock.now()).route.rule == ""
        trail = AuditEntry.objects.order_by("id")
        assert [entry.action for entry in trail] == [
            f"routing_rule.{what}" for what in ("added", "changed", "removed")
        ]
        changed = trail[1].facts
        assert (changed["was"]["split"], changed["rule"]["split"]) == ("paypal 100", "stripe 100")

    @pytest.mark.parametrize(
        ("facts", "param"),
        [
            ({"split": ()}, "split"),
            ({"split": (("stripe", 99),)}, "split"),
            ({"split": (("stripe", 150), ("paypal", -50))}, "split"),
            ({"split": (("stripe", 50), ("stripe", 50))}, "split"),
            ({"split": (("nobody", 100),)}, "split"),
            ({"currency": "XXX"}, "currency"),
            ({"country": "Germany"}, "country"),
            ({"country": "de"}, "country"),
            ({"amount_from": Decimal(1)}, "amount_from"),
            ({"currency": "USD", "amount_from": Decimal(-1)}, "amount_from"),
            ({"currency": "JPY", "amount_to": Decimal("0.5")}, "amount_to"),
            ({"currency": "USD", "amount_from": Decimal(2), "amount_to": Decimal(1)}, "amount_to"),
            ({"name": " "}, "name"),
            ({"position": 0}, "position"),
            ({"position": 32_768}, "position"),
        ],
    )
    def test_refuses_what_cannot_be_followed(self, facts, param):
        with pytest.raises(InvalidRequest) as refused:
            set_rule(**facts)

        assert refused.value.param == param
        assert not RoutingRule.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_refuses_a_second_rule_at_a_place_and_an_unknown_merchant(self):
        set_rule()

        for facts in ({}, {"position": 20, "merchant_id": UUID(int=1)}):
            with pytest.raises(DomainError):
                set_rule(**facts)
        assert RoutingRule.objects.count() == 1

    @pytest.mark.parametrize(
        "sets",
        [
            "shares = '{99}'",
            "shares = '{50,50}'",
            "shares = NULL",
            "providers = '{}', shares = '{}'",
            "providers = '{stripe,stripe}', shares = '{50,50}'",
            "providers = '{stripe,paypal}', shares = '{150,-50}'",
            "amount_from = 1",
            "currency = 'USD', amount_from = 2, amount_to = 1",
            "position = 0",
        ],
    )
    def test_is_guarded_by_the_database_too(self, sets):
        set_rule()

        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE gateways_routing_rule SET {sets}")


@pytest.mark.django_db(transaction=True)
class TestTheConsole:
    @pytest.fixture
    def staff(self, client):
        client.force_login(get_user_model().objects.create_superuser("root", password="x"))
        return client

    FORM = {
        "position": "10",
        "name": "Cards in dollars",
        "merchant": "",
        "method": "card",
        "currency": "USD",
        "country": "*",
        "amount_from": "",
        "amount_to": "1000",
        "split": "stripe 70, paypal 30",
    }
    ADD = "admin:gateways_routingrule_add"

    def test_adds_changes_and_removes_a_rule_in_the_name_of_who_did_it(self, staff):
        assert staff.get(reverse(self.ADD)).status_code == 200
        assert staff.post(reverse(self.ADD), self.FORM).status_code == 302
        [row] = RoutingRule.objects.all()
        assert (row.providers, row.shares) == (["stripe", "paypal"], [70, 30])
        page = reverse("admin:gateways_routingrule_change", args=[row.id])
        assert b"stripe 70, paypal 30" in staff.get(page).content

        assert staff.post(page, {**self.FORM, "split": "paypal 100"}).status_code == 302
        assert RoutingRule.objects.get().as_rule().shares == "paypal 100"
        assert b"paypal 100" in staff.get(reverse("admin:gateways_routingrule_changelist")).content

        gone = reverse("admin:gateways_routingrule_delete", args=[row.id])
        assert staff.post(gone, {"post": "yes"}).status_code == 302
        assert not RoutingRule.objects.exists()
        trail = AuditEntry.objects.filter(subject_id=row.id).order_by("id")
        assert [e.action.partition(".")[2] for e in trail] == ["added", "changed", "removed"]
        assert {e.actor for e in trail} == {f"staff:{get_user_model().objects.get().pk}"}

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"split": "stripe 70"}, "split"),
            ({"split": "stripe"}, "split"),
            ({"split": "stripe ¹00"}, "split"),
            ({"split": "nobody 100"}, "split"),
            ({"currency": "*"}, "amount_to"),
            ({"currency": "QQQ"}, "currency"),
            ({"position": "x"}, "position"),
            ({"position": "0"}, "position"),
        ],
    )
    def test_says_what_is_wrong_with_a_rule_and_sets_nothing(self, staff, wrong, field):
        answer = staff.post(reverse(self.ADD), {**self.FORM, **wrong})

        assert answer.status_code == 200
        assert field in answer.context["adminform"].form.errors
        assert not RoutingRule.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_lets_no_two_rules_stand_at_one_place(self, staff):
        staff.post(reverse(self.ADD), self.FORM)

        again = staff.post(reverse(self.ADD), self.FORM)

        assert "position" in again.context["adminform"].form.errors
        assert RoutingRule.objects.count() == 1

    def test_says_that_there_are_as_many_rules_as_there_may_be(self, staff, monkeypatch):
        monkeypatch.setattr(setting, "RULES_LIMIT", 1)
        staff.post(reverse(self.ADD), self.FORM)
        [row] = RoutingRule.objects.all()

        one_more = staff.post(reverse(self.ADD), {**self.FORM, "position": "20"})

        assert "position" in one_more.context["adminform"].form.errors
        assert b"There are 1 rules already." in one_more.content
        assert [rule.id for rule in RoutingRule.objects.all()] == [row.id]
        page = reverse("admin:gateways_routingrule_change", args=[row.id])
        assert staff.post(page, {**self.FORM, "position": "20"}).status_code == 302, "it is no more"
        assert RoutingRule.objects.get().position == 20
