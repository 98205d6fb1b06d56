"""The PayPal personality: tokens, keys, states, and what it refuses."""

import hashlib
import threading

import pytest

from .paypal_shop import DOCUMENT, EVIDENCE, USD, Shop

HOUR, DAY = 3_600, 86_400


def usd(value):
    return {"currency_code": "USD", "value": value}


@pytest.fixture
def shop(simulator):
    return Shop(simulator)


class TestTokens:
    def test_a_client_gets_one_and_it_opens_the_door(self, shop):
        answer = shop.sign_in()

        assert answer.status == 200
        assert answer.json["token_type"] == "Bearer"
        assert shop.create().status == 201

    @pytest.mark.parametrize("client", [("simulator_client", "wrong"), ("x", "simulator_secret")])
    def test_nobody_else_gets_one(self, shop, client):
        answer = shop.sign_in(client)

        assert (answer.status, answer.json["error"]) == (401, "invalid_client")

    def test_nothing_but_a_clients_own_credentials_is_granted(self, shop):
        assert shop.sign_in(grant="password").status == 400

    @pytest.mark.parametrize("authorization", ["Bearer nobody", "Basic eDp5", "", "Bearer"])
    def test_without_one_the_door_stays_closed(self, shop, authorization):
        answer = shop.send("GET", "/v2/checkout/orders/1", Authorization=authorization)

        assert (answer.status, answer.issue) == (401, "AUTHENTICATION_FAILURE")

    def test_one_runs_out_after_nine_hours(self, shop, simulator):
        shop.sign_in()
        simulator.advance_clock(9 * HOUR - 5)
        assert shop.create().status == 201
        simulator.advance_clock(5)

        assert shop.create().status == 401


class TestKeys:
    def test_the_same_key_is_told_how_it_stands_now(self, shop):
        _, authorization = shop.authorized()
        first = shop.capture(authorization, key="k1")
        refund = shop.refund(first.json["id"], usd("4.00"))

        again = shop.capture(authorization, key="k1")

        assert (first.status, again.status) == (201, 200)
        assert again.json["id"] == first.json["id"]
        assert (first.json["status"], again.json["status"]) == ("COMPLETED", "PARTIALLY_REFUNDED")
        assert refund.status == 201

    def test_another_amount_under_it_changes_nothing(self, shop):
        _, capture = shop.captured()
        first = shop.refund(capture, usd("1.00"), key="k1")

        again = shop.refund(capture, usd("2.00"), key="k1")

        assert again.json["id"] == first.json["id"]
        assert again.json["amount"] == usd("1.00")

    def test_a_refusal_is_not_kept(self, shop):
        _, capture = shop.captured()
        assert shop.refund(capture, usd("11.00"), key="k1").status == 422

        assert shop.refund(capture, usd("1.00"), key="k1").status == 201

    @pytest.mark.parametrize(("fault", "happened"), [("error_before", 0), ("error_after", 1)])
    def test_an_error_is_not_kept_either(self, shop, simulator, fault, happened):
        order, authorization = shop.authorized()
        simulator.fault("paypal_capture", fault)
        assert shop.capture(authorization, key="k1").status == 500
        assert len(simulator.paypal.order(order)["captures"]) == happened

        assert shop.capture(authorization, key="k1").status in (200, 201)
        assert len(simulator.paypal.order(order)["captures"]) == 1

    def test_keys_of_orders_live_six_hours_and_of_payments_45_days(self, shop, simulator):
        order = shop.create(key="k1").json["id"]
        _, capture = shop.captured()
        refund = shop.refund(capture, usd("1.00"), key="k2").json["id"]
        simulator.advance_clock(6 * HOUR - 5)
        assert shop.create(key="k1").json["id"] == order
        simulator.advance_clock(5)
        assert shop.create(key="k1").json["id"] != order

        shop.token = ""
        simulator.advance_clock(45 * DAY - 6 * HOUR - 5)
        assert shop.refund(capture, usd("1.00"), key="k2").json["id"] == refund
        simulator.advance_clock(5)
        assert shop.refund(capture, usd("1.00"), key="k2").json["id"] != refund

    def test_one_that_still_runs_is_a_conflict(self, shop):
        _, authorization = shop.authorized()
        answers = {}

        def slow():
            answers["slow"] = shop.capture(authorization, key="k1", Paysys_Fault="slow:700")

        running = threading.Thread(target=slow)
        running.start()
        while not shop.simulator.in_flight():
            pass  # the slow one has not begun
        quick = shop.capture(authorization, key="k1")
        running.join()

        assert (quick.status, quick.issue) == (409, "PREVIOUS_REQUEST_IN_PROGRESS")
        assert answers["slow"].status == 201

    def test_one_that_is_too_long_is_refused(self, shop):
        assert shop.create(key="k" * 109).status == 400


class TestStates:
    def test_an_order_needs_its_payer(self, shop):
        order = shop.create().json["id"]

        answer = shop.authorize(order, payer="")

        assert (answer.status, answer.issue) == (422, "ORDER_NOT_APPROVED")

    def test_an_order_is_authorized_once(self, shop):
        order, _ = shop.authorized()

        assert shop.authorize(order).issue == "ORDER_ALREADY_AUTHORIZED"
        assert shop.confirm(order).issue == "ORDER_CANNOT_BE_CONFIRMED"

    def test_an_order_waits_three_hours_for_its_payer(self, shop, simulator):
        order = shop.create().json["id"]
        simulator.advance_clock(3 * HOUR)

        assert shop.authorize(order).issue == "ORDER_EXPIRED"

    def test_an_approved_order_waits_three_days_for_us(self, shop, simulator):
        orders = [shop.create().json["id"] for _ in range(2)]
        for order in orders:
            simulator.paypal.approve(order)
        assert shop.confirm(orders[0]).issue == "PAYMENT_ALREADY_APPROVED"
        simulator.advance_clock(9 * HOUR - 60)
        assert shop.authorize(orders[0], payer="").status == 201
        shop.token = ""
        simulator.advance_clock(3 * DAY)

        assert shop.authorize(orders[1], payer="").issue == "ORDER_EXPIRED"

    def test_an_order_that_was_declined_is_over(self, shop, simulator):
        order = shop.create().json["id"]
        simulator.paypal.decline(order)

        assert shop.order(order)["status"] == "VOIDED"
        assert shop.authorize(order).issue == "ORDER_COMPLETED_OR_VOIDED"

    def test_an_authorization_is_captured_or_voided(self, shop):
        _, authorization = shop.authorized()
        assert shop.capture(authorization, usd("10.01")).issue == "MAX_CAPTURE_AMOUNT_EXCEEDED"
        assert shop.capture(authorization, usd("4.00"), final=False).status == 201
        assert shop.void(authorization).issue == "PREVIOUSLY_CAPTURED"
        assert shop.capture(authorization, usd("6.01")).issue == "MAX_CAPTURE_AMOUNT_EXCEEDED"
        assert shop.capture(authorization, usd("6.00")).status == 201
        assert shop.capture(authorization, usd("1.00")).issue == "AUTHORIZATION_ALREADY_CAPTURED"

        _, other = shop.authorized()
        assert shop.void(other).json["status"] == "VOIDED"
        assert shop.void(other).issue == "PREVIOUSLY_VOIDED"
        assert shop.capture(other).issue == "AUTHORIZATION_VOIDED"

    def test_an_authorization_lapses_after_29_days(self, shop, simulator):
        _, authorization = shop.authorized()
        simulator.advance_clock(29 * DAY)
        shop.token = ""

        assert shop.capture(authorization).issue == "AUTHORIZATION_EXPIRED"
        assert simulator.paypal.events("PAYMENT.AUTHORIZATION.VOIDED")

    def test_a_refund_is_of_what_is_left(self, shop):
        order, capture = shop.captured()
        assert shop.refund(capture, usd("10.01")).issue == "REFUND_AMOUNT_EXCEEDED"
        assert shop.refund(capture, usd("4.00")).status == 201
        assert shop.refund(capture, usd("6.01")).issue == "REFUND_AMOUNT_EXCEEDED"
        assert shop.refund(capture).json["amount"] == usd("6.00")
        assert shop.refund(capture).issue == "CAPTURE_FULLY_REFUNDED"

        payments = shop.order(order)["purchase_units"][0]["payments"]
        assert payments["captures"][0]["status"] == "REFUNDED"
        assert len(payments["refunds"]) == 2

    def test_a_refund_that_fails_is_counted_back(self, shop, simulator):
        order, capture = shop.captured("payer_refund_fails")
        refund = shop.refund(capture).json
        assert refund["status"] == "COMPLETED"
        simulator.settle()

        payments = shop.order(order)["purchase_units"][0]["payments"]
        assert payments["refunds"][0]["status"] == "FAILED"
        assert payments["captures"][0]["status"] == "COMPLETED"
        assert shop.refund(capture).status == 201

    def test_an_invoice_is_paid_once(self, shop):
        shop.authorized(invoice_id="pay_1")
        order = shop.create(invoice_id="pay_1").json["id"]

        assert shop.authorize(order).issue == "DUPLICATE_INVOICE_ID"
        assert shop.authorized(invoice_id="pay_2")

    def test_one_whose_authorization_was_given_up_may_be_paid_again(self, shop):
        _, authorization = shop.authorized(invoice_id="pay_1")
        shop.void(authorization)

        assert shop.authorized(invoice_id="pay_1")

    def test_a_disputed_capture_is_not_refunded(self, shop, simulator):
        _, capture = shop.captured()
        dispute = simulator.paypal.dispute(capture)["dispute_id"]
        assert shop.refund(capture).issue == "TRANSACTION_DISPUTED"

        simulator.paypal.resolve(dispute, won=True)
        assert shop.refund(capture).status == 201

    @pytest.mark.parametrize("payer", ["payer_capture_pending", "payer_under_review"])
    def test_what_is_pending_is_settled_later(self, shop, simulator, payer):
        order, authorization = shop.authorized(payer)
        shop.capture(authorization)
        simulator.settle()

        payments = shop.order(order)["purchase_units"][0]["payments"]
        last = (payments.get("captures") or payments["authorizations"])[0]
        assert last["status"] in ("COMPLETED", "CREATED")
        assert "status_details" not in last


class TestDisputes:
    def test_they_are_listed_by_transaction_and_read_one_by_one(self, shop, simulator):
        captures = [shop.captured()[1] for _ in range(2)]
        opened = [simulator.paypal.dispute(each)["dispute_id"] for each in captures]

        path = "/v1/customer/disputes"
        listed = shop.ask("GET", path).json["items"]
        found = shop.ask("GET", f"{path}?disputed_transaction_id={captures[0]}").json["items"]
        read = shop.ask("GET", f"{path}/{opened[0]}").json

        assert [each["dispute_id"] for each in listed] == opened[::-1]
        assert [each["dispute_id"] for each in found] == opened[:1]
        assert read["disputed_transactions"][0]["seller_transaction_id"] == captures[0]
        assert read["status"] == "WAITING_FOR_SELLER_RESPONSE"

    @pytest.mark.parametrize(("won", "code"), [(True, "SELLER"), (False, "BUYER")])
    def test_they_are_decided(self, shop, simulator, won, code):
        shop.captured("payer_disputes")
        [opened] = simulator.paypal.events("CUSTOMER.DISPUTE.CREATED")

        told = simulator.paypal.resolve(opened["object"], won=won)

        assert told["dispute_outcome"]["outcome_code"] == f"RESOLVED_{code}_FAVOUR"
        assert simulator.paypal.events("CUSTOMER.DISPUTE.RESOLVED")


class TestWhatIsSaidToADispute:
    @pytest.fixture
    def dispute(self, shop, simulator):
        return simulator.paypal.dispute(shop.captured()[1])["dispute_id"]

    def offered(self, shop, dispute):
        links = shop.ask("GET", f"/v1/customer/disputes/{dispute}").json["links"]
        return [link["href"].rpartition("/")[2] for link in links[1:]]

    def test_is_kept_with_the_hash_of_its_files_and_once(self, shop, simulator, dispute):
        assert self.offered(shop, dispute) == ["provide-evidence", "accept-claim"]
        first = shop.say(dispute, "provide-evidence", EVIDENCE, DOCUMENT)
        second = shop.say(dispute, "provide-evidence", EVIDENCE, DOCUMENT)

        assert first.status == 200
        assert (second.status, second.issue) == (422, "DISPUTE_ACTION_NOT_ALLOWED")
        found = simulator.paypal.find_dispute(dispute)
        assert (found["status"], found["submissions"]) == ("UNDER_REVIEW", 1)
        assert found["evidences"][0]["source"] == "SUBMITTED_BY_SELLER"
        digest = hashlib.sha256(DOCUMENT[3]).hexdigest()
        assert found["files"] == [{"filename": "proof.pdf", "size": 14, "sha256": digest}]
        assert self.offered(shop, dispute) == []

    def test_may_be_that_it_is_accepted(self, shop, simulator, dispute):
        assert shop.say(dispute, "accept-claim", {"accept_claim_type": "REFUND"}).status == 200

        found = simulator.paypal.find_dispute(dispute)
        assert found["dispute_outcome"]["amount_refunded"] == USD
        assert found["adjudications"][0]["type"] == "RECOVER_FROM_SELLER"
        assert shop.say(dispute, "accept-claim", {}).status == 422

    def test_is_no_answer_to_a_question(self, shop, simulator):
        asked = simulator.paypal.dispute(shop.captured()[1], stage="INQUIRY")["dispute_id"]

        assert "provide-evidence" not in self.offered(shop, asked)
        assert shop.say(asked, "provide-evidence", EVIDENCE, DOCUMENT).status == 422
        simulator.paypal.escalate(asked)
        assert shop.say(asked, "provide-evidence", EVIDENCE, DOCUMENT).status == 200

    @pytest.mark.parametrize(
        ("told", "document", "issue"),
        [
            ({}, DOCUMENT, "MISSING_REQUIRED_PARAMETER"),
            ({"evidences": []}, DOCUMENT, "INVALID_PARAMETER_SYNTAX"),
            ({"evidences": [{"evidence_type": "OTHER", "mood": "x"}]}, DOCUMENT, "NOT_SUPPORTED"),
            (EVIDENCE, ("file", *DOCUMENT[1:]), "NOT_SUPPORTED"),
            (EVIDENCE, (*DOCUMENT[:2], "text/html", b"x"), "UNSUPPORTED_DOCUMENT"),
            (EVIDENCE, (DOCUMENT[0], "other.pdf", *DOCUMENT[2:]), "INVALID_PARAMETER_VALUE"),
        ],
    )
    def test_is_refused_where_paypal_would(self, shop, dispute, told, document, issue):
        answer = shop.say(dispute, "provide-evidence", told, document)

        assert (answer.status, answer.issue) == (400, issue)
        assert self.offered(shop, dispute) == ["provide-evidence", "accept-claim"]

    def test_is_no_json(self, shop, dispute):
        answer = shop.ask("POST", f"/v1/customer/disputes/{dispute}/provide-evidence", EVIDENCE)
        assert (answer.status, answer.issue) == (400, "MALFORMED_REQUEST_JSON")


class TestAnswers:
    def test_whoever_does_not_ask_for_the_whole_gets_little(self, shop):
        order = shop.create().json["id"]
        source = {"payment_source": {"paypal": {"vault_id": "payer_good"}}}

        answer = shop.ask("POST", f"/v2/checkout/orders/{order}/authorize", source, prefer="")

        assert set(answer.json) == {"id", "status", "links"}
        assert "purchase_units" in shop.order(order)

    def test_what_is_not_there_is_missing(self, shop):
        for path in ("/v2/checkout/orders/NOBODYS", "/v2/payments/refunds/X", "/v2/nothing"):
            answer = shop.ask("GET", path)
            assert (answer.status, answer.issue) == (404, "INVALID_RESOURCE_ID")

    def test_a_sandbox_error_can_be_asked_for_by_its_code(self, shop):
        _, authorization = shop.authorized()
        mock = '{"mock_application_codes": "AUTHORIZATION_DENIED"}'

        answer = shop.capture(authorization, PayPal_Mock_Response=mock)

        assert (answer.status, answer.issue) == (422, "AUTHORIZATION_DENIED")
        assert shop.capture(authorization).status == 201

    @pytest.mark.parametrize(
        ("code", "status"),
        [("PREVIOUS_REQUEST_IN_PROGRESS", 409), ("INTERNAL_SERVER_ERROR", 500),
         ("PERMISSION_DENIED", 403), ("INVALID_RESOURCE_ID", 404)],
    )  # fmt: skip
    def test_with_the_status_that_belongs_to_it(self, shop, code, status):
        mock = f'{{"mock_application_codes": "{code}"}}'

        order = {"intent": "AUTHORIZE", "purchase_units": [{"amount": USD}]}
        answer = shop.ask("POST", "/v2/checkout/orders", order, PayPal_Mock_Response=mock)

        assert (answer.status, answer.issue) == (status, code)
        assert shop.simulator.paypal.book() == []

    @pytest.mark.parametrize("mock", ["nonsense", "{}", "[]"])
    def test_one_that_cannot_be_read_is_refused(self, shop, mock):
        path = "/v2/checkout/orders"
        order = {"intent": "AUTHORIZE", "purchase_units": [{"amount": USD}]}

        assert shop.ask("POST", path, order, PayPal_Mock_Response=mock).status == 400
