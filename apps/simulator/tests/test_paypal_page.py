"""The page on which a payer approves, the account's report, and news that leave by themselves."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from paysys.testing import simulator as testing

from .paypal_shop import Shop, at

PATIENCE = 10
BACK = "https://shop.example/back?cart=7"


@pytest.fixture
def shop(simulator):
    return Shop(simulator)


@pytest.fixture
def order(shop):
    """One that waits for its payer."""
    order = shop.create(invoice_id="pay_<b>1").json["id"]
    shop.confirm(order, return_url=BACK, cancel_url="https://shop.example/cancel")
    return order


def see(shop, order):
    return shop.send("GET", f"/checkoutnow?token={order}")


def press(shop, order, result):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    return shop.send("POST", f"/checkoutnow?token={order}", f"result={result}", **form)


class TestPage:
    def test_it_is_where_the_order_sends_the_payer(self, shop, order):
        links = {link["rel"]: link["href"] for link in shop.order(order)["links"]}

        assert links["payer-action"] == f"{shop.simulator.url}/paypal/checkoutnow?token={order}"

    def test_it_says_what_is_to_be_paid_and_escapes_what_others_wrote(self, shop, order):
        answer = see(shop, order)

        page = answer.raw.decode()
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert "10.00 USD" in page
        assert "pay_&lt;b&gt;1" in page
        assert 'class="open"' in page

    def test_approving_leads_back_to_the_shop(self, shop, order):
        answer = press(shop, order, "approve")

        assert answer.status == 303
        assert answer.headers["Location"] == f"{BACK}&token={order}&PayerID=QYR5Z8XDVJNXQ"
        assert shop.order(order)["status"] == "APPROVED"
        assert shop.simulator.paypal.events("CHECKOUT.ORDER.APPROVED", object_id=order)

    def test_turning_back_changes_nothing_and_the_payer_may_come_again(self, shop, order):
        answer = press(shop, order, "cancel")
        assert answer.headers["Location"] == f"https://shop.example/cancel?token={order}"
        assert shop.order(order)["status"] == "PAYER_ACTION_REQUIRED"

        assert press(shop, order, "approve").status == 303
        assert shop.order(order)["status"] == "APPROVED"

    def test_without_a_way_back_the_page_says_how_it_ended(self, shop):
        order = shop.create().json["id"]

        answer = press(shop, order, "approve")

        assert answer.status == 200
        assert 'class="closed"' in answer.raw.decode()

    def test_a_second_click_approves_nothing_twice(self, shop, order):
        press(shop, order, "approve")

        answer = press(shop, order, "approve")

        assert (answer.status, b'class="closed"' in answer.raw) == (200, True)
        assert len(shop.simulator.paypal.events("CHECKOUT.ORDER.APPROVED")) == 1

    def test_an_order_that_is_not_there_is_said_to_be_gone(self, shop):
        answer = see(shop, "NOBODYS")

        assert answer.status == 404
        assert b"appear to be working" in answer.raw


class TestReport:
    def test_a_transaction_is_reported_three_hours_later(self, shop, simulator):
        _, capture = shop.captured(custom_id="pay_1")
        assert shop.report().json["transaction_details"] == []
        simulator.advance_clock(3 * 3_600)

        [line] = shop.report().json["transaction_details"]

        info = line["transaction_info"]
        assert (info["transaction_id"], info["custom_field"]) == (capture, "pay_1")
        assert info["transaction_amount"]["value"] == "10.00"
        assert info["fee_amount"]["value"] == "-0.84"

    def test_pages_are_counted_from_one(self, shop, simulator):
        for _ in range(5):
            shop.captured()
        simulator.advance_clock(3 * 3_600)

        pages = [shop.report(page_size=2, page=number).json for number in (1, 2, 3)]

        assert [len(page["transaction_details"]) for page in pages] == [2, 2, 1]
        assert {(page["total_items"], page["total_pages"]) for page in pages} == {(5, 3)}

    def test_one_is_found_by_its_id_and_others_by_their_currency(self, shop, simulator):
        _, capture = shop.captured()
        shop.captured(amount={"currency_code": "EUR", "value": "5.00"})
        simulator.advance_clock(3 * 3_600)

        assert shop.report(transaction_id=capture).json["total_items"] == 1
        assert shop.report(transaction_currency="EUR").json["total_items"] == 1
        assert shop.report().json["total_items"] == 2

    @pytest.mark.parametrize(
        "asked",
        [
            {"start_date": at(0), "end_date": at(32 * 86_400)},
            {"start_date": at(10), "end_date": at(0)},
            {"start_date": "yesterday"},
            {"page": "0"},
            {"page_size": "501"},
            {"store_id": "7"},
        ],
    )
    def test_a_question_that_paypal_would_refuse_is_refused(self, shop, asked):
        assert shop.report(**asked).status == 400

    def test_too_many_lines_at_once_are_refused(self, tmp_path):
        data = tmp_path / "book.sqlite3"
        process, simulator = testing.start(
            data, "--paypal-most-lines", "1", "--paypal-reporting-delay", "0"
        )
        shop = Shop(simulator)
        shop.captured()
        assert shop.report().status == 200
        shop.captured()

        answer = shop.report()
        testing.stop(process)

        assert (answer.status, answer.issue) == (400, "RESULTSET_TOO_LARGE")

    def test_a_withdrawal_takes_everything_of_its_currency(self, shop, simulator):
        shop.captured()
        [first] = simulator.paypal.pay_out()
        assert first["amount"] == {"currency_code": "USD", "value": "9.16"}
        assert simulator.paypal.pay_out() == []


class TestNews:
    def test_they_leave_with_the_headers_of_a_transmission(self, shop, simulator):
        arrived = Queue()

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived.put((body, dict(self.headers)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/webhooks/paypal"
        simulator.paypal.send_webhooks_to(url)
        shop.authorized()
        body, headers = arrived.get(timeout=PATIENCE)
        simulator.paypal.send_webhooks_to("")
        server.shutdown()
        server.server_close()

        event = json.loads(body)
        assert event["event_type"] == "PAYMENT.AUTHORIZATION.CREATED"
        assert self._is_genuine(shop, body, headers, "SIMULATORWEBHOOK1")
        assert not self._is_genuine(shop, body, headers, "ANOTHER")
        assert not self._is_genuine(shop, body.replace(b"10.00", b"90.00"), headers)

    def _is_genuine(self, shop, body, headers, webhook_id="SIMULATORWEBHOOK1"):
        names = {
            "auth_algo": "Auth-Algo",
            "cert_url": "Cert-Url",
            "transmission_id": "Transmission-Id",
            "transmission_sig": "Transmission-Sig",
            "transmission_time": "Transmission-Time",
        }
        told = {field: headers[f"Paypal-{name}"] for field, name in names.items()}
        facts = json.dumps({**told, "webhook_id": webhook_id})
        question = facts[:-1] + f', "webhook_event": {body.decode()}}}'
        path = "/v1/notifications/verify-webhook-signature"
        return shop.ask("POST", path, question).json["verification_status"] == "SUCCESS"
