"""A process of its own: its book survives it, it stops at once, and others read its book."""

import io
import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import stripe
from django.conf import settings

from paysys.testing import simulator as testing

ORDER = {
    "amount": 1000, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa",
    "allowed_payment_method_types": ["card"], "metadata": {"paysys_payment": "pay_1"},
}  # fmt: skip


@pytest.fixture
def own(tmp_path):
    """Start simulators on one book; whatever still runs at the end is stopped."""
    running = []

    def start(*options):
        process, simulator = testing.start(tmp_path / "book.sqlite3", *options)
        running.append(process)
        return process, simulator, stripe.StripeClient(
            "sk_test_x", base_addresses={"api": simulator.url}, max_network_retries=0
        )  # fmt: skip

    yield start
    for process in running:
        testing.stop(process)


class TestBook:
    def test_what_was_answered_survives_a_kill(self, own):
        process, _, client = own()
        made = client.v1.payment_intents.create(ORDER, {"idempotency_key": "k1"})
        process.kill()
        process.wait()

        _, simulator, client = own()

        assert client.v1.payment_intents.retrieve(made.id).status == "succeeded"
        assert client.v1.payment_intents.create(ORDER, {"idempotency_key": "k1"}).id == made.id
        assert simulator.charges_for("pay_1") == 1

    def test_so_does_its_clock(self, own):
        process, simulator, _ = own()
        simulator.advance_clock(1_000_000)
        testing.stop(process)

        _, _, client = own()

        assert client.v1.payment_intents.create(ORDER).created > time.time() + 999_000

    def test_lists_every_payment_once_in_order(self, client, make, paid, simulator):
        first, second = paid(metadata={"paysys_payment": "pay_1"}), make()
        client.v1.refunds.create({"payment_intent": first.id, "amount": 300})

        lines = simulator.book()

        assert [line["id"] for line in lines] == [first.id, second.id]
        assert lines[0] | {"seq": 0, "created": 0} == {
            "seq": 0, "created": 0, "id": first.id, "status": "succeeded", "amount": 1000,
            "currency": "eur", "amount_received": 1000, "amount_capturable": 0,
            "amount_refunded": 300, "capture_method": "manual", "cancellation_reason": None,
            "error": None, "metadata": {"paysys_payment": "pay_1"},
            "charge": first.latest_charge, "charges": 1,
        }  # fmt: skip

    def test_is_read_in_pages(self, make, wire):
        made = [make(confirm=False).id for _ in range(3)]

        first = [json.loads(x) for x in wire("GET", "/_sim/book?limit=2").raw.splitlines()]
        rest = wire("GET", f"/_sim/book?limit=2&after={first[-1]['seq']}").raw.splitlines()

        assert [line["id"] for line in first] + [json.loads(x)["id"] for x in rest] == made

    def test_counts_what_happened_for_one_order(self, client, paid, simulator):
        intent = paid(metadata={"paysys_payment": "pay_1", "op_key": "pay_1:authorize:1"})
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})
        paid(metadata={"paysys_payment": "pay_2"})

        by_payment, by_key = (
            simulator.effects("pay_1"),
            simulator.effects(op_key="pay_1:authorize:1"),
        )

        assert by_payment == by_key
        assert by_payment["intents"] == [intent.id]
        assert (by_payment["charges"], by_payment["captures"], by_payment["refunds"]) == (1, 1, 1)
        assert simulator.effects("pay_none")["charges"] == 0

    def test_is_empty_after_a_reset(self, paid, simulator):
        paid()
        simulator.advance_clock(1000)

        simulator.reset()

        assert simulator.book() == simulator.events() == []


class TestProcess:
    @pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
    def test_stops_at_once_even_while_it_holds_connections(self, own, order):
        process, _, client = own("--hold", "60")
        made = client.v1.payment_intents.create(ORDER)
        failures = []

        def hold():
            try:
                client.v1.payment_intents.retrieve(
                    made.id, {}, {"headers": {"Paysys-Fault": "timeout_after"}}
                )
            except stripe.APIConnectionError as failure:
                failures.append(failure)

        held = threading.Thread(target=hold)
        held.start()
        process.send_signal(order)
        began = time.monotonic()

        assert process.wait(5) == 0
        assert time.monotonic() - began < 2
        held.join()
        assert len(failures) == 1

    def test_late_outcomes_happen_by_themselves_unless_told_to_wait(self, own):
        _, _, client = own("--later", "0")
        intent = client.v1.payment_intents.create(
            ORDER | {"payment_method": "pm_card_pendingRefund"}
        )
        made = client.v1.refunds.create({"payment_intent": intent.id})
        until = time.monotonic() + 5

        while client.v1.refunds.retrieve(made.id).status == "pending":
            assert time.monotonic() < until

        assert client.v1.refunds.retrieve(made.id).status == "succeeded"

    def test_the_schedule_of_the_command_line_is_met(self, own):
        _, simulator, client = own("--faults", "create:error_after=1", "--seed", "3")

        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.create(ORDER)

        assert simulator.charges_for("pay_1") == 1

    def test_is_a_command_of_the_project(self, tmp_path):
        process = subprocess.Popen(
            [sys.executable, "manage.py", "simulator", "--port", "0", "--data",
             str(tmp_path / "book"), "--die-with-parent"],
            cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert isinstance(process.stdout, io.TextIOWrapper)

        url = process.stdout.readline().split()[-1]

        assert testing.Simulator(url).book() == []
        testing.stop(process)
        assert process.returncode == 0
