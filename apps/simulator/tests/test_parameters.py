"""The form on the wire, and the parameters that Stripe's own types know."""

import pytest
import stripe

from apps.simulator.server.wire import StripeError, decode_form

INTENTS = "/v1/payment_intents"


class TestForm:
    @pytest.mark.parametrize(
        ("text", "tree"),
        [
            ("a=1&b=x%20y", {"a": "1", "b": "x y"}),
            ("a[b][c]=1&a[d]=", {"a": {"b": {"c": "1"}, "d": ""}}),
            ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
            ("a[0]=x&a[1][b]=y", {"a": {"0": "x", "1": {"b": "y"}}}),
            ("", {}),
        ],
    )
    def test_brackets_nest(self, text, tree):
        assert decode_form(text) == tree

    @pytest.mark.parametrize("text", ["a=1&a[b]=2", "a[b]=1&a=2", "a" + "[b]" * 9 + "=1"])
    def test_nonsense_is_refused(self, text):
        with pytest.raises(StripeError):
            decode_form(text)

    def test_too_many_fields_are_refused(self):
        with pytest.raises(StripeError):
            decode_form("&".join(f"a{number}=1" for number in range(1001)))


class TestUnknownParameters:
    @pytest.mark.parametrize(
        ("field", "named"),
        [
            ("amout", "amout"),
            # Known to older versions; the pinned one says `allowed_payment_method_types`.
            ("payment_method_types[0]", "payment_method_types"),
            ("payment_method_options[card][colour]", "payment_method_options[card][colour]"),
            ("api_key", "api_key"),
        ],
    )
    def test_are_refused_by_name(self, wire, simulator, field, named):
        answer = wire("POST", INTENTS, {"amount": "1000", "currency": "eur", field: "1"})

        error = answer.json["error"]
        assert (answer.status, error["code"]) == (400, "parameter_unknown")
        assert error["param"] == named
        assert error["message"] == f"Received unknown parameter: {named}"
        assert simulator.book() == []

    def test_are_refused_in_a_query_too(self, wire):
        assert wire("GET", f"{INTENTS}?colour=red").json["error"]["code"] == "parameter_unknown"

    def test_are_refused_for_every_operation(self, client, make):
        intent = make()
        for call in (client.v1.payment_intents.capture, client.v1.payment_intents.cancel):
            with pytest.raises(stripe.InvalidRequestError) as refusal:
                call(intent.id, {"colour": "red"})
            assert refusal.value.code == "parameter_unknown"

        assert client.v1.payment_intents.retrieve(intent.id).status == "requires_capture"


class TestValues:
    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"currency": "eur"}, "amount"),
            ({"amount": "1000"}, "currency"),
            ({"amount": "ten", "currency": "eur"}, "amount"),
            ({"amount": "10.5", "currency": "eur"}, "amount"),
            ({"amount": "1_000", "currency": "eur"}, "amount"),
            ({"amount": "9" * 30, "currency": "eur"}, "amount"),
            ({"amount": "1000", "currency": "eur", "metadata[a]": "x" * 501}, "metadata"),
            ({"amount": "1000", "currency": "eur", "metadata[" + "a" * 41 + "]": "x"}, "metadata"),
            (
                {"amount": "1000", "currency": "eur", "statement_descriptor": "SHOP"},
                "statement_descriptor",
            ),
            ({"amount": "1000", "currency": "EUR"}, "currency"),
            ({"amount": "1000", "currency": "eur", "confirm": "perhaps"}, "confirm"),
            ({"amount": "1000", "currency": "eur", "metadata": "x"}, "metadata"),
            ({"amount": "1000", "currency": "eur", "capture_method": "never"}, "capture_method"),
            ({"amount": "1000", "currency": "eur", "customer": "cus_none"}, "customer"),
        ],
    )
    def test_of_the_wrong_kind_are_refused(self, wire, simulator, fields, param):
        answer = wire("POST", INTENTS, fields)

        assert (answer.status, answer.json["error"]["param"]) == (400, param)
        assert simulator.book() == []

    def test_a_limit_has_bounds(self, wire):
        for limit in ("0", "101", "many"):
            assert wire("GET", f"{INTENTS}?limit={limit}").status == 400


class TestDoor:
    def test_without_a_key_there_is_nothing(self, wire):
        answer = wire("GET", INTENTS, key=None)

        assert (answer.status, answer.json["error"]["type"]) == (401, "invalid_request_error")

    @pytest.mark.parametrize("key", ["sk_live_x", "pk_test_x", "sk_test_", "nonsense"])
    def test_only_secret_test_keys_open_it(self, wire, key):
        assert wire("GET", INTENTS, key=key).status == 401

    def test_every_answer_names_its_request_and_version(self, wire):
        answer = wire("GET", INTENTS, Stripe_Version="2026-10-28.endive")

        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Stripe-Version"] == "2026-10-28.endive"

    def test_an_unknown_path_is_404(self, wire):
        for path in ("/v1/unicorns", "/v2/payment_intents", "/v1/payment_intents/pi_1/juggle"):
            answer = wire("GET", path)
            assert (answer.status, "Unrecognized" in answer.json["error"]["message"]) == (404, True)

    def test_expands_what_is_asked(self, client, paid):
        intent = client.v1.payment_intents.retrieve(
            paid().id, {"expand": ["latest_charge.balance_transaction", "payment_method"]}
        )

        assert intent.latest_charge.balance_transaction.net == 960
        assert intent.payment_method.card.last4 == "4242"
        listed = client.v1.payment_intents.list({"expand": ["data.latest_charge"]})
        assert listed.data[0].latest_charge.captured

    def test_what_cannot_be_expanded_is_refused_and_undone(self, client, simulator):
        with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
            client.v1.payment_intents.create(
                {"amount": 1000, "currency": "eur", "expand": ["amount.more"]}
            )

        assert simulator.book() == []
