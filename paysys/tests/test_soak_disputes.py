"""What the soak knows of disputes: compared to the last line."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from apps.core import ids
from paysys.soak import compare, compare_disputes, journal, stories
from paysys.soak.books import Objection, OurBook, TheirBook

PAYMENT, DISPUTE = UUID(int=7), UUID(int=8)
ROW = {
    "id": DISPUTE,
    "payment_id": PAYMENT,
    "provider": "stripe",
    "provider_reference": "du_1",
    "status": "PART_LOST",
    "currency": "EUR",
    "amount": Decimal(50),
    "amount_open": Decimal(0),
    "amount_lost": Decimal(20),
}


def line(reference, gross, dispute="du_1"):
    return {
        "dispute": dispute,
        "line_reference": reference,
        "gross": Decimal(gross),
        "currency": "EUR",
    }


def posting(reference, *, is_undone=False):
    name = f"dispute:line:{reference}"
    return {"reference": name, "kind": "dispute_line", "is_undone": is_undone}


def asked(kind, body):
    public_id = ids.encode("dp", DISPUTE)
    made = journal.Operation(kind, kind, "m", f"/v1/disputes/{public_id}/{kind}", body)
    made.answers = [{"status": 200, "id": public_id, "made": "UNDER_REVIEW", "body": "b"}]
    return made


def books():
    """A dispute of 50 that was answered, and of which 30 came back: in all three books the same."""
    evidence = asked("evidence", {"texts": {"uncategorized_text": "It came."}, "submit": True})
    ours = OurBook(
        payments={},
        refunds={},
        payouts={},
        transfers={},
        disputes={ids.encode("dp", DISPUTE): {**ROW}},
        dispute_lines=[line("txn_1", -50), line("txn_2", 30)],
        postings=[posting("txn_1"), posting("txn_2")],
        calls=[],
        events={"evt_1": {"kind": "dispute.created", "subject_id": DISPUTE}},
        run_seconds={},
    )
    found = Objection(
        provider="stripe",
        id="du_1",
        payment=ids.encode("pay", PAYMENT),
        amount=5_000,
        open=0,
        lost=2_000,
        is_over=True,
        lines={"txn_1": -5_000, "txn_2": 3_000},
        answers=1,
        said="It came.",
    )
    return compare_disputes.Disputes(
        {"evidence": evidence, "accept": asked("accept", {})},
        ours,
        TheirBook([], [], [found]),
        set(),
    )


def ours(found):
    return found.ours.disputes[ids.encode("dp", DISPUTE)]


def outside(found, **changes):
    found.theirs.objections[0] = replace(found.theirs.objections[0], **changes)


def forget_it(found):
    found.ours.disputes.clear()


def have_it_twice(found):
    found.ours.disputes["dp_2"] = {**ROW, "id": UUID(int=9)}


def have_one_that_nobody_opened(found):
    found.ours.disputes["dp_2"] = {**ROW, "id": UUID(int=9), "provider_reference": "du_2"}


def lay_it_to_another_payment(found):
    ours(found)["payment_id"] = UUID(int=1)


def have_another_amount(found):
    ours(found)["amount"] = Decimal(40)


def lose_less(found):
    ours(found)["amount_lost"] = Decimal(10)


def keep_it_open(found):
    outside(found, open=5_000, lost=0, is_over=False)


def book_no_withdrawal(found):
    del found.ours.dispute_lines[0], found.ours.postings[0]


def post_no_return(found):
    del found.ours.postings[1]


def undo_a_withdrawal(found):
    found.ours.postings[0]["is_undone"] = True


def book_a_withdrawal_twice(found):
    found.ours.dispute_lines.append(line("txn_1", -50))


def book_another_amount(found):
    found.ours.dispute_lines[0]["gross"] = Decimal(-49)


def book_it_about_another(found):
    found.ours.dispute_lines[0]["dispute"] = "du_2"


def book_a_line_that_never_moved(found):
    found.ours.dispute_lines.append(line("txn_3", -50))


def post_a_line_that_never_moved(found):
    found.ours.postings.append(posting("txn_3"))


def announce_nothing(found):
    found.ours.events.clear()


def lose_the_evidence(found):
    outside(found, answers=0, said="")


def submit_it_twice(found):
    outside(found, answers=2)


def say_something_else(found):
    outside(found, said="It never came.")


def give_nothing_up(found):
    del found.journal["evidence"]
    ours(found).update(status="UNDER_REVIEW", amount_open=Decimal(50), amount_lost=Decimal(0))
    keep_it_open(found)


DIFFERENCES = {
    forget_it: "dispute",
    have_it_twice: "dispute",
    have_one_that_nobody_opened: "dispute",
    lay_it_to_another_payment: "dispute",
    have_another_amount: "dispute",
    lose_less: "dispute",
    keep_it_open: "dispute",
    book_no_withdrawal: "posting",
    post_no_return: "posting",
    undo_a_withdrawal: "posting",
    book_a_withdrawal_twice: "posting",
    book_another_amount: "posting",
    book_it_about_another: "posting",
    book_a_line_that_never_moved: "posting",
    post_a_line_that_never_moved: "posting",
    announce_nothing: "event",
    lose_the_evidence: "lost",
    submit_it_twice: "double",
    say_something_else: "promise",
    give_nothing_up: "promise",
}


class TestDisputesInThreeBooks:
    def test_that_agree_have_no_differences(self):
        assert books().differences() == []

    @pytest.mark.parametrize("plant", DIFFERENCES)
    def test_that_do_not_are_told_apart(self, plant):
        found = books()
        plant(found)
        kinds = {one.partition(":")[0] for one in found.differences()}
        assert DIFFERENCES[plant] in kinds

    def test_are_part_of_the_whole_comparison(self):
        found = books()
        forget_it(found)
        whole = compare.Books(found.journal, found.ours, found.theirs).differences()
        assert [one for one in whole if one.startswith("dispute: du_1")]

    def test_may_lack_evidence_that_a_bank_did_not_wait_for(self):
        found = books()
        lose_the_evidence(found)
        found.decided = {"du_1"}
        assert found.differences() == []

    @pytest.mark.parametrize(
        ("spent", "taken", "left"), [(0, 2_000, 3_000), (4_000, 2_000, 0), (0, 0, 5_000)]
    )
    def test_take_of_a_wallet_what_it_still_has(self, spent, taken, left):
        top_up = journal.Operation("k1", "top_up", "m", "/v1/wallets/w1/top_up", {"amount": 5_000})
        top_up.answers = [{"status": 201, "id": "pay_1"}]
        spends = journal.Operation(
            "k2", "transfer", "m", "/v1/wallets/w1/transfer", {"to": "w2", "amount": spent}
        )
        spends.answers = [{"status": 201, "id": "tr_1"}]

        held = compare.wallet_balances(
            {"k1": top_up, "k2": spends}, {"pay_1": {"status": "DISPUTED"}}, {"pay_1": taken}
        )

        assert held == {"w1": left, "w2": spent}


class TestWhatIsDrawn:
    def test_a_disputed_top_up_has_a_wallet_that_no_other_story_touches(self):
        places = stories.own_wallets(7, 1_000, {"m1", "m2"})
        numbers = [number for _, number in places]
        assert len(set(numbers)) == len(numbers) > 3
        assert not set(numbers) & set(stories.WALLETS)
