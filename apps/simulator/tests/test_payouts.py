"""Payouts that somebody orders: they arrive, fail, or come back, by the number they go to."""

import pytest
import stripe

IBAN = "DE89370400440532013000"


@pytest.fixture
def account(client):
    def add(number="000123456789", *, currency="eur", **more):
        bank = {
            "object": "bank_account", "account_number": number, "country": "US",
            "currency": currency, "account_holder_name": "Copper Kettle",
        } | more  # fmt: skip
        return client.v1.accounts.external_accounts.create(
            "acct_1", {"external_account": bank, "metadata": {"op_key": "k"}}
        )

    return add


@pytest.fixture
def order(client, account):
    def make(number="000123456789", amount=1000, **more):
        given = {"amount": amount, "currency": "eur", "destination": account(number).id}
        return client.v1.payouts.create(given | more)

    return make


def lines(client):
    found = client.v1.balance_transactions.list().data
    return sorted((line.type, line.amount, line.source) for line in found)


class TestBankAccount:
    def test_shows_the_last_four_alone(self, account, simulator):
        made = account(routing_number="110000000")

        assert (made.last4, made.currency, made.account) == ("6789", "eur", "acct_1")
        assert made.metadata["op_key"] == "k"
        assert "000123456789" not in str(made)

    def test_wrong_ones_are_refused(self, client, account):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            account("1BAD00")
        assert refused.value.code == "account_number_invalid"
        with pytest.raises(stripe.InvalidRequestError, match="unknown parameter"):
            account(iban=IBAN)
        with pytest.raises(stripe.InvalidRequestError, match="Missing required param"):
            client.v1.accounts.external_accounts.create(
                "acct_1", {"external_account": {"object": "bank_account", "country": "US"}}
            )
        with pytest.raises(stripe.InvalidRequestError, match="Only bank accounts"):
            client.v1.accounts.external_accounts.create("acct_1", {"external_account": "btok_1"})


class TestOrdered:
    def test_is_a_line_of_the_balance_and_arrives(self, client, order, simulator):
        made = order(metadata={"paysys_payout": "po_1"})
        assert (made.status, made.automatic, made.reconciliation_status) == (
            "pending", False, "not_applicable",
        )  # fmt: skip
        assert lines(client) == [("payout", -1000, made.id)]

        simulator.settle()

        assert client.v1.payouts.retrieve(made.id).status == "paid"
        assert [p["id"] for p in simulator.payouts_for("po_1")] == [made.id]
        kinds = [event["type"] for event in simulator.events(object_id=made.id)]
        assert kinds == ["payout.created", "payout.paid"]

    @pytest.mark.parametrize(
        ("number", "code"),
        [("000111111116", "no_account"), ("000111111113", "account_closed")],
    )
    def test_fails_by_its_number(self, client, order, simulator, number, code):
        made = order(number)
        simulator.settle()

        found = client.v1.payouts.retrieve(made.id)
        assert (found.status, found.failure_code) == ("failed", code)
        assert lines(client) == [("payout", -1000, made.id), ("payout_failure", 1000, made.id)]
        kinds = [event["type"] for event in simulator.events(object_id=made.id)]
        assert kinds == ["payout.created", "payout.failed"]

    def test_comes_back_after_it_was_paid(self, client, order, simulator):
        made = order("000777777771")
        simulator.settle()

        found = client.v1.payouts.retrieve(made.id)
        assert (found.status, found.failure_code) == ("failed", "no_account")
        kinds = [event["type"] for event in simulator.events(object_id=made.id)]
        assert kinds == ["payout.created", "payout.paid", "payout.failed"]

    def test_nothing_is_heard_of_one_until_somebody_says_so(self, client, order, simulator):
        made = order("000555555554")
        assert simulator.settle() == 0
        assert client.v1.payouts.retrieve(made.id).status == "pending"

        assert simulator.end_payout(made.id, "pay")["status"] == "paid"
        assert simulator.end_payout(made.id, "return")["status"] == "failed"
        assert simulator.end_payout(made.id, "fail")["status"] == "failed"
        assert len(lines(client)) == 2

    def test_is_netted_by_the_nights_own(self, client, order, paid, simulator):
        paid(amount=10_000)
        made = order(amount=1_000)

        (night,) = simulator.pay_out()

        assert night["amount"] == 9_825 - 1_000
        listed = client.v1.balance_transactions.list({"payout": night["id"]}).data
        assert sorted(line.type for line in listed) == ["charge", "payout", "payout"]
        assert made.id in {line.source for line in listed}

    def test_wrong_orders_are_refused(self, client, account, order):
        for wrong, code in (
            ({"destination": "ba_1"}, "resource_missing"),
            ({"currency": "usd"}, "invalid_currency"),
            ({"amount": 0}, "parameter_invalid_integer"),
        ):
            with pytest.raises(stripe.InvalidRequestError) as refused:
                order(**wrong)
            assert refused.value.code == code
        assert lines(client) == []

    def test_lists_by_destination(self, client, order):
        made = order()
        order()

        found = client.v1.payouts.list({"destination": made.destination}).data
        assert [payout.id for payout in found] == [made.id]
