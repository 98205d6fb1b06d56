"""A dispute, refunds, a payout and an answer at one moment: no money twice, none lost."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from django.db import transaction

from apps.core import clock, db, ids
from apps.ledger.tests.books import until_somebody_waits
from apps.payments import dispute_selectors, services
from apps.payments.models import Dispute
from apps.payments.sagas import dispute as saga
from apps.payments.services import dispute_orders, disputes
from apps.payments.tests import news, truth
from apps.payments.tests.conftest import Merchant
from apps.payments.tests.objections import (
    DISPUTED,
    PAYABLE,
    assert_whole,
    hear,
    make_the_balance_positive,
    only_dispute,
    open_dispute,
    reserve_refund,
    usd,
)
from apps.payments.tests.test_dispute_answers import accept, answer
from apps.payments.tests.threads import at_once
from apps.payments.tests.tills import bank
from apps.sagas import services as engine
from paysys.testing.simulator import Simulator

again_and_again = pytest.mark.parametrize("round_", range(4))


@again_and_again
def test_a_refund_is_sent_or_canceled_and_another_is_refused_or_within_the_budget(
    merchant: Merchant, simulator: Simulator, round_: int
) -> None:
    payment_id = merchant.captured(10_000)
    refund_id = reserve_refund(merchant, payment_id, 4_000)
    open_dispute(simulator, payment_id)
    news.tell(simulator, "charge.dispute.created")
    truth.pass_time()

    *_, asked = at_once(
        [
            engine.sweep,
            engine.sweep,
            lambda: merchant.post(f"/v1/payments/{payment_id}/refund", {"amount": 1_000}),
        ]
    )
    truth.wait_for_the_pool()
    truth.finish_everything()

    assert asked.status_code in (201, 202, 402, 409), asked.content
    dispute = assert_whole(merchant, simulator, payment_id)
    sent = simulator.effects(payment_id)["amount_refunded"]
    assert dispute.excess * 100 == sent, "what was sent is not there to be disputed"
    is_sent = merchant.refund(refund_id).status == "SUCCEEDED"
    assert (sent >= 4_000) == is_sent
    assert merchant.balance(DISPUTED) == usd("100.00")


@again_and_again
def test_a_payout_takes_before_or_after_and_never_the_same(
    merchant: Merchant, simulator: Simulator, round_: int
) -> None:
    payment_id = merchant.captured(10_000)
    services.release(now=clock.now())
    bank(merchant)
    open_dispute(simulator, payment_id)
    news.tell(simulator, "charge.dispute.created")
    truth.pass_time()
    before = merchant.balance(PAYABLE)

    _, paid = at_once(
        [
            engine.sweep,
            lambda: merchant.post("/v1/payouts", {"currency": "USD", "amount": 5_000}),
        ]
    )
    truth.wait_for_the_pool()
    truth.finish_everything()

    taken = 50 if paid.status_code in (201, 202) else 0
    assert merchant.balance(PAYABLE) == before - usd(f"{100 + taken}.00"), paid.content
    assert_whole(merchant, simulator, payment_id)


@again_and_again
def test_of_answers_one_counts(merchant: Merchant, simulator: Simulator, round_: int) -> None:
    payment_id = merchant.captured(10_000)
    reference = open_dispute(simulator, payment_id)
    hear(simulator)
    dispute_id = ids.encode("dp", only_dispute(merchant).id)

    told = at_once(
        [
            *(
                lambda text=text: answer(merchant, dispute_id, uncategorized_text=text)
                for text in ("first", "second")
            ),
            lambda: accept(merchant, dispute_id),
            engine.sweep,
        ]
    )
    truth.finish_everything()

    codes = sorted(each.status_code for each in told[:2])
    assert codes in ([200, 409], [409, 409]), codes
    outside = simulator.find_dispute(reference)
    assert outside["evidence_details"]["submission_count"] <= 1
    dispute = assert_whole(merchant, simulator, payment_id)
    assert dispute.status == ("LOST" if told[2].status_code == 200 else "UNDER_REVIEW")


def test_an_order_given_while_a_look_ends_is_carried_out(
    merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look has read the dispute, and finds nothing to say, when the order is written."""
    payment_id = merchant.captured(10_000)
    open_dispute(simulator, payment_id)
    hear(simulator)
    found = only_dispute(merchant)
    ordered, told = saga._order_of, []

    def too_early(dispute: Dispute) -> Any:
        wanted = ordered(dispute)
        if not told:
            told.extend(at_once([lambda: accept(merchant, ids.encode("dp", found.id))]))
        return wanted

    monkeypatch.setattr(saga, "_order_of", too_early)
    with db.unit():
        disputes.look(found, now=clock.now())

    truth.finish_everything()

    assert [each.status_code for each in told] == [200]
    assert assert_whole(merchant, simulator, payment_id).status == "LOST"


def test_an_order_given_while_news_begin_a_look_is_carried_out_by_it(
    merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each saw that nobody looks; that of the news is committed just before the order's."""
    payment_id = merchant.captured(10_000)
    open_dispute(simulator, payment_id)
    hear(simulator)
    found = only_dispute(merchant)
    find, has_begun, has_found = dispute_selectors.find_run, Event(), Event()

    def find_and_wait(dispute: Dispute) -> Any:
        run = find(dispute)
        if not has_found.is_set():
            has_found.set()
            assert has_begun.wait(20)
        return run

    def begin_a_look() -> None:
        assert has_found.wait(20)
        with transaction.atomic():
            run = disputes.look(found, now=clock.now())
            has_begun.set()
            until_somebody_waits()
        assert run.is_open

    monkeypatch.setattr(dispute_selectors, "find_run", find_and_wait)
    told, _ = at_once([lambda: accept(merchant, ids.encode("dp", found.id)), begin_a_look])
    truth.finish_everything()

    assert told.status_code == 200, told.content
    assert assert_whole(merchant, simulator, payment_id).status == "LOST"


@pytest.mark.parametrize("seen", ["find_by_provider", "find_run"])
@pytest.mark.parametrize("is_paid_out", [True, False])
def test_a_line_that_meets_its_own_news_is_booked_by_the_same_run_of_the_statement(
    merchant: Merchant,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    seen: str,
    is_paid_out: bool,
) -> None:
    """It has read that nobody knows the dispute, or looks at it; the news says otherwise."""
    payment_id = merchant.captured(10_000)
    open_dispute(simulator, payment_id)
    make_the_balance_positive(merchant)
    hear(simulator)
    find, read = getattr(dispute_selectors, seen), []

    def find_as_before_the_news(*asked: Any) -> Any:
        read.append(asked)
        return None if len(read) == 1 else find(*asked)

    monkeypatch.setattr(dispute_selectors, seen, find_as_before_the_news)
    if is_paid_out:
        simulator.pay_out()
        monkeypatch.setattr(disputes, "apply_line", lambda _line, now: False)
    truth.book_statement()
    truth.finish_everything()

    assert len(read) > 1
    assert only_dispute(merchant).amount_withdrawn == 100
    assert_whole(merchant, simulator, payment_id, alone=False)


def test_an_order_that_has_seen_nobody_look_when_news_began_to_is_carried_out(
    merchant: Merchant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look of the news is committed before the order begins its own: whoever ordered, page or
    API, hears of no conflict."""
    payment_id = merchant.captured(10_000)
    open_dispute(simulator, payment_id)
    hear(simulator)
    found = only_dispute(merchant)
    find, begun = dispute_selectors.find_run, []

    def begin_a_look() -> None:
        with db.unit():
            disputes.look(found, now=clock.now())

    def find_and_fall_behind(dispute: Dispute) -> Any:
        run = find(dispute)
        if not begun:
            begun.append(run)
            at_once([begin_a_look])
        return run

    monkeypatch.setattr(dispute_selectors, "find_run", find_and_fall_behind)
    with transaction.atomic():
        dispute_orders.accept(
            book_id=found.book_id, dispute_id=found.id, actor="system", now=clock.now()
        )
    truth.finish_everything()

    assert begun
    assert assert_whole(merchant, simulator, payment_id).status == "LOST"
