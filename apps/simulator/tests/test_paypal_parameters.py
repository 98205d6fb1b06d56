"""PayPal refuses what it does not know; and what it answers is what its descriptions say."""

import json

import pytest
from django.conf import settings

from apps.simulator.server.paypal import shapes
from apps.simulator.server.paypal.routes import ROUTES
from paysys.testing.paypal_specs import Specs

from .paypal_shop import DOCUMENT, EVIDENCE, USD, Shop

FOLDER = settings.BASE_DIR.parent / "shared" / "data" / "specs" / "paypal"
DISPUTES = "/v1/customer/disputes"
ORDERS = "/v2/checkout/orders"
ORDER = {"intent": "AUTHORIZE", "purchase_units": [{"amount": USD}]}


@pytest.fixture
def shop(simulator):
    return Shop(simulator)


@pytest.fixture(scope="module")
def specs():
    try:
        return Specs(FOLDER)
    except FileNotFoundError:
        pytest.skip(f"PayPal's descriptions are not beside this checkout ({FOLDER.name})")


def unit(**facts):
    return {**ORDER, "purchase_units": [{"amount": USD, **facts}]}


def amount(value, currency="USD"):
    return unit(amount={"currency_code": currency, "value": value})


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "issue", "field"),
        [
            ({**ORDER, "intents": 1}, "NOT_SUPPORTED", "/intents"),
            (unit(custom="x"), "NOT_SUPPORTED", "/purchase_units/@0/custom"),
            ({"intent": "AUTHORIZE"}, "MISSING_REQUIRED_PARAMETER", "/purchase_units"),
            (unit(amount={"value": "1.00"}), "MISSING_REQUIRED_PARAMETER",
             "/purchase_units/@0/amount/currency_code"),
            ({**ORDER, "intent": "CAPTURE"}, "INVALID_PARAMETER_VALUE", "/intent"),
            ({**ORDER, "intent": 7}, "INVALID_PARAMETER_VALUE", "/intent"),
            ({**ORDER, "purchase_units": []}, "INVALID_PARAMETER_SYNTAX", "/purchase_units"),
            ({**ORDER, "purchase_units": "one"}, "INVALID_PARAMETER_SYNTAX", "/purchase_units"),
            (unit(amount="10.00"), "INVALID_PARAMETER_SYNTAX", "/purchase_units/@0/amount"),
            (amount("1,00"), "INVALID_PARAMETER_VALUE", "/purchase_units/@0/amount/value"),
            (amount(10), "INVALID_PARAMETER_VALUE", "/purchase_units/@0/amount/value"),
            (unit(custom_id="x" * 128), "INVALID_PARAMETER_VALUE",
             "/purchase_units/@0/custom_id"),
            (amount("1.00", "KWD"), "INVALID_CURRENCY_CODE",
             "/purchase_units/@0/amount/currency_code"),
            (amount("1.001"), "DECIMAL_PRECISION", "/purchase_units/@0/amount/value"),
            (amount("1.50", "HUF"), "DECIMALS_NOT_SUPPORTED", "/purchase_units/@0/amount/value"),
            (amount("0.00"), "CANNOT_BE_ZERO_OR_NEGATIVE", "/purchase_units/@0/amount/value"),
            (amount("-1.00"), "CANNOT_BE_ZERO_OR_NEGATIVE", "/purchase_units/@0/amount/value"),
            (amount("9" * 16), "MAX_VALUE_EXCEEDED", "/purchase_units/@0/amount/value"),
        ],
    )  # fmt: skip
    def test_an_order_that_paypal_does_not_understand(self, shop, body, issue, field):
        answer = shop.ask("POST", ORDERS, body)

        assert answer.status in (400, 422)
        assert (answer.issue, answer.json["details"][0]["field"]) == (issue, field)
        assert shop.simulator.paypal.book() == []

    @pytest.mark.parametrize("raw", ["", "not json", "[]", '"text"', "[" * 5_000])
    def test_what_is_no_json_object(self, shop, raw):
        expected = "MISSING_REQUIRED_PARAMETER" if raw == "" else "MALFORMED_REQUEST_JSON"

        assert shop.ask("POST", ORDERS, raw).issue == expected

    def test_a_form(self, shop):
        answer = shop.ask("POST", ORDERS, "a=b", Content_Type="application/x-www-form-urlencoded")

        assert answer.issue == "MALFORMED_REQUEST_JSON"

    def test_a_question_with_a_parameter_too_many(self, shop):
        assert shop.ask("GET", f"{ORDERS}/1?fields=x").issue == "NOT_SUPPORTED"

    def test_a_token_that_names_nobody(self, shop):
        order = shop.create().json["id"]

        assert shop.authorize(order, "payer_unheard_of").issue == "TOKEN_ID_NOT_FOUND"

    def test_an_error_says_what_and_where_and_how_to_ask_paypal_about_it(self, shop):
        answer = shop.ask("POST", ORDERS, {**ORDER, "intent": "SAVE"})

        body = answer.json
        assert body["name"] == "INVALID_REQUEST"
        assert body["debug_id"] == answer.headers["Paypal-Debug-Id"]
        [detail] = body["details"]
        assert (detail["field"], detail["value"], detail["location"]) == ("/intent", "SAVE", "body")


class TestDescribed:
    """PayPal's own descriptions, of what is asked and of what is answered."""

    def test_every_field_that_is_understood_is_one_of_paypals(self, specs):
        asked = {
            ORDERS: (shapes.ORDER, {}),
            f"{ORDERS}/X/confirm-payment-source": (shapes.CONFIRM, {}),
            f"{ORDERS}/X/authorize": (shapes.AUTHORIZE, {}),
            "/v2/payments/authorizations/X/capture": (shapes.CAPTURE, {}),
            "/v2/payments/captures/X/refund": (shapes.REFUND, {}),
            "/v1/notifications/verify-webhook-signature": (shapes.VERIFY, {}),
            f"{DISPUTES}/X/provide-evidence": (shapes.EVIDENCES, "evidence-file"),
            f"{DISPUTES}/X/accept-claim": (shapes.ACCEPT, "accept-claim-document"),
        }

        for path, (shape, files) in asked.items():
            given = _filled(shape)
            if files:
                told = json.dumps(given).encode()
                given = [("input", "", told), (files, "a.pdf", b"%PDF-")]
            wrong = specs.wrong_with_request("POST", path, {}, given)
            assert not [each for each in wrong if "unknown" in each], path

    def test_every_operation_is_one_of_paypals(self, specs):
        for method, pattern, _ in ROUTES:
            path = pattern.pattern.replace("([A-Za-z0-9-]{1,36})", "X")
            specs.wrong_with_answer(method, path, 599, {"name": "X"})

    def test_every_answer_is_as_described(self, shop, simulator, specs):
        for method, path, status, body in self._everything(shop, simulator):
            assert specs.wrong_with_answer(method, path, status, body) == [], (method, path)

    def _everything(self, shop, simulator):
        """One answer of every operation, and of every state that a part of an order can have."""
        created = shop.create(custom_id="pay_1", invoice_id="pay_1", description="Coffee")
        order = created.json["id"]
        yield "POST", ORDERS, 201, created.json
        confirm = f"{ORDERS}/{order}/confirm-payment-source"
        yield "POST", confirm, 200, shop.confirm(order, return_url="https://shop.example/").json
        simulator.paypal.approve(order)
        yield "GET", f"{ORDERS}/{order}", 200, shop.order(order)
        authorized = shop.authorize(order, payer="").json
        yield "POST", f"{ORDERS}/{order}/authorize", 201, authorized
        held = authorized["purchase_units"][0]["payments"]["authorizations"][0]["id"]
        path = f"/v2/payments/authorizations/{held}"
        yield "GET", path, 200, shop.ask("GET", path).json
        capture = shop.capture(held).json
        yield "POST", f"{path}/capture", 201, capture
        path = f"/v2/payments/captures/{capture['id']}"
        yield "GET", path, 200, shop.ask("GET", path).json
        refund = shop.refund(capture["id"], {"currency_code": "USD", "value": "1.00"}).json
        yield "POST", f"{path}/refund", 201, refund
        path = f"/v2/payments/refunds/{refund['id']}"
        yield "GET", path, 200, shop.ask("GET", path).json
        yield "GET", f"{ORDERS}/{order}", 200, shop.order(order)
        _, other = shop.authorized("payer_under_review")
        voided = shop.void(other).json
        yield "POST", f"/v2/payments/authorizations/{other}/void", 200, voided
        dispute = simulator.paypal.dispute(capture["id"])["dispute_id"]
        path = f"{DISPUTES}/{dispute}"
        yield "GET", DISPUTES, 200, shop.ask("GET", DISPUTES).json
        yield "GET", path, 200, shop.ask("GET", path).json
        told = shop.say(dispute, "provide-evidence", EVIDENCE, DOCUMENT)
        yield "POST", f"{path}/provide-evidence", 200, told.json
        yield "GET", path, 200, shop.ask("GET", path).json
        again = shop.say(dispute, "provide-evidence", EVIDENCE, DOCUMENT)
        yield "POST", f"{path}/provide-evidence", again.status, again.json
        simulator.paypal.resolve(dispute, won=False, refunded="4.00")
        yield "GET", path, 200, shop.ask("GET", path).json
        simulator.paypal.pay_out()
        simulator.advance_clock(4 * 3_600)
        yield "GET", "/v1/reporting/transactions", 200, shop.report().json

    def test_an_event_is_as_described(self, shop, simulator, specs):
        shop.captured()
        for event in simulator.paypal.events():
            body = json.loads(simulator.paypal.deliver(event).body)
            path = "/v1/notifications/webhooks-events/X"
            assert specs.wrong_with_answer("GET", path, 200, body) == []


def _filled(shape):
    """A request with every field of a shape, whatever is in it."""
    if isinstance(shape, shapes.Many):
        return [_filled(shape.of)]
    if isinstance(shape, dict):
        return {name.rstrip("*"): _filled(inner) for name, inner in shape.items()}
    return {} if shape is None else "x"
