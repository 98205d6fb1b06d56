"""Three books that agree, and every way in which they may not."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paysys.soak import compare, journal
from paysys.soak.books import Effect, Object, OurBook, TheirBook

PAYMENT = {
    "status": "CAPTURED",
    "currency": "EUR",
    "amount": Decimal(50),
    "amount_captured": Decimal(50),
    "wallet_captured": Decimal(0),
    "refund_reserved": Decimal(20),
    "card_refund_reserved": Decimal(0),
    "charge_reference": "ch_1",
    "provider_reference": "pi_1",
    "metadata": {"soak": "k1"},
}
REFUND = {
    "status": "SUCCEEDED",
    "currency": "EUR",
    "amount": Decimal(20),
    "metadata": {"soak": "k2"},
}


def answered(status, id_, made, body="b1"):
    return {"status": status, "id": id_, "made": made, "code": "", "body": body}


def books():
    """A payment of 50 of which 20 went back: in all three books the same."""
    pay = journal.Operation("k1", "pay", "m", "/v1/payments", {"amount": 5_000})
    pay.answers, pay.named = [answered(201, "pay_1", "AUTHORIZED")], {"pay_1"}
    back = journal.Operation("k2", "refund", "m", "/v1/payments/pay_1/refund", {"amount": 2_000})
    back.answers, back.named = [answered(201, "re_1", "SUCCEEDED")], {"re_1"}
    ours = OurBook(
        payments={"pay_1": {**PAYMENT, "card_refund_reserved": Decimal(20)}},
        refunds={"re_1": {**REFUND}},
        payouts={},
        transfers={},
        disputes={},
        dispute_lines=[],
        postings=[
            {"reference": "capture:ch_1", "kind": "capture", "is_undone": False},
            {"reference": "refund:re_x", "kind": "refund", "is_undone": False},
        ],
        calls=[
            {"call": "capture", "provider_reference": "pi_1", "outcome": "SUCCEEDED"},
            {"call": "refund", "provider_reference": "re_x", "outcome": "SUCCEEDED"},
        ],
        events={},
        run_seconds={},
    )
    theirs = TheirBook(
        objects=[
            Object(
                "stripe", "pi_1", "pay_1", is_live=True, captured=5_000, refunded=2_000, op_key="o1"
            )
        ],
        effects=[
            Effect("capture", "stripe", "ch_1", 5_000, "pay_1"),
            Effect("refund", "stripe", "re_x", 2_000, "re_1"),
        ],
    )
    return compare.Books({"k1": pay, "k2": back}, ours, theirs)


def lose_a_payment(found):
    del found.ours.payments["pay_1"]


def charge_twice(found):
    found.theirs.objects.append(replace(found.theirs.objects[0], id="pi_2"))


def make_a_second_object(found):
    found.theirs.objects.append(replace(found.theirs.objects[0], id="pi_2", is_live=False))


def promise_back_too_much(found):
    found.ours.payments["pay_1"]["refund_reserved"] = Decimal(60)


def make_two_of_one_key(found):
    found.ours.refunds["re_2"] = dict(found.ours.refunds["re_1"])


def make_what_nobody_asked_for(found):
    found.ours.refunds["re_2"] = {**REFUND, "metadata": {"soak": "k9"}}


def answer_differently(found):
    found.journal["k1"].answers.append(answered(201, "pay_1", "CAPTURED", body="b2"))


def leave_unanswered(found):
    found.journal["k2"].answers = []


def book_twice(found):
    found.ours.postings.append(dict(found.ours.postings[0]))


def book_nothing(found):
    del found.ours.postings[1]


def book_what_was_not_done(found):
    found.ours.postings.append({"reference": "refund:re_y", "kind": "refund", "is_undone": False})


def promise_nothing(found):
    del found.ours.calls[1]


def fail_what_was_granted(found):
    found.ours.payments["pay_1"]["status"] = "FAILED"


def give_back_too_much(found):
    found.theirs.objects[0] = replace(found.theirs.objects[0], refunded=4_000)


DIFFERENCES = {
    lose_a_payment: "lost",
    charge_twice: "double charge",
    make_a_second_object: "double",
    promise_back_too_much: "refunds",
    make_two_of_one_key: "double",
    make_what_nobody_asked_for: "unasked",
    answer_differently: "idempotency",
    leave_unanswered: "unanswered",
    book_twice: "posting",
    book_nothing: "posting",
    book_what_was_not_done: "posting",
    promise_nothing: "unpromised",
    fail_what_was_granted: "promise",
    give_back_too_much: "difference",
}


class TestThreeBooks:
    def test_that_agree_have_no_differences(self):
        assert books().differences() == []

    @pytest.mark.parametrize("plant", DIFFERENCES)
    def test_that_do_not_are_told_apart(self, plant):
        found = books()
        plant(found)
        kinds = {one.partition(":")[0] for one in found.differences()}
        assert DIFFERENCES[plant] in kinds

    def test_say_what_a_wallet_must_hold(self):
        transfer = journal.Operation(
            "k1", "transfer", "m", "/v1/wallets/w1/transfer", {"to": "w2", "amount": 300}
        )
        transfer.answers = [answered(201, "tr_1", "transfer")]
        pay = journal.Operation("k2", "pay", "m", "/v1/payments", {"amount": 500})
        pay.answers = [answered(201, "pay_1", "SETTLED")]
        refused = replace(transfer, key="k3", answers=[answered(402, None, None)])
        top_up = journal.Operation("k4", "top_up", "m", "/v1/wallets/w1/top_up", {"amount": 100})
        top_up.answers = [answered(201, "pay_2", "AUTHORIZED")]
        tender = {"type": "wallet", "source": "w2", "captured": 500, "refunded": 200}

        found = compare.wallet_balances(
            {"k1": transfer, "k2": pay, "k3": refused, "k4": top_up},
            {"pay_1": {"status": "SETTLED", "tenders": [tender]}, "pay_2": {"status": "CAPTURED"}},
            {},
        )

        assert found == {"w1": -200, "w2": 0}
