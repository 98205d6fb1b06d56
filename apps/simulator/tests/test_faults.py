"""Every fault on demand, and what it does and does not do to the book."""

import pytest
import stripe

from apps.simulator.server.faults import Fault, Faults, read_schedule
from apps.simulator.server.wire import StripeError


def confirm(client, intent, *, key=None, **headers):
    options = {"headers": {"Paysys-Fault": headers["fault"]}} if "fault" in headers else {}
    if key:
        options["idempotency_key"] = key
    return client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, options)


@pytest.fixture
def intent(make):
    return make(confirm=False, metadata={"paysys_payment": "pay_1"})


class TestNoAnswer:
    @pytest.mark.parametrize("fault", ["timeout_after", "reset_after"])
    def test_after_the_effect_it_happened_and_its_key_replays_it(
        self, client, simulator, intent, fault
    ):
        with pytest.raises(stripe.APIConnectionError):
            confirm(client, intent, key="k1", fault=fault)

        assert simulator.charges_for("pay_1") == 1
        assert confirm(client, intent, key="k1").status == "requires_capture"
        assert simulator.charges_for("pay_1") == 1

    @pytest.mark.parametrize("fault", ["timeout_before", "reset_before"])
    def test_before_the_effect_nothing_happened_and_the_key_is_free(
        self, client, simulator, intent, fault
    ):
        with pytest.raises(stripe.APIConnectionError):
            confirm(client, intent, key="k1", fault=fault)

        assert client.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
        assert simulator.charges_for("pay_1") == 0
        assert confirm(client, intent, key="k1").status == "requires_capture"
        assert simulator.charges_for("pay_1") == 1

    def test_a_reset_is_a_reset_and_not_an_orderly_end(self, client, intent):
        with pytest.raises(stripe.APIConnectionError, match="reset by peer"):
            confirm(client, intent, fault="reset_before")

    def test_a_held_connection_outlasts_the_clients_patience(self, simulator, intent):
        impatient = stripe.StripeClient(
            simulator.api_key, base_addresses={"api": simulator.url}, max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(1, 0.05)),
        )  # fmt: skip

        with pytest.raises(stripe.APIConnectionError, match=r"(?i)timed out|timeout"):
            confirm(impatient, intent, fault="timeout_after:5")

        assert simulator.charges_for("pay_1") == 1


class TestErrors:
    def test_500_after_the_effect(self, client, simulator, intent):
        with pytest.raises(stripe.APIError) as error:
            confirm(client, intent, fault="error_after")

        assert error.value.http_status == 500
        assert simulator.charges_for("pay_1") == 1

    def test_500_without_an_effect(self, client, simulator, intent):
        with pytest.raises(stripe.APIError):
            confirm(client, intent, fault="error_before")

        assert simulator.charges_for("pay_1") == 0

    def test_too_many_requests(self, client, simulator, intent):
        with pytest.raises(stripe.RateLimitError) as error:
            confirm(client, intent, fault="rate_limit")

        assert (error.value.http_status, error.value.error.code) == (429, "rate_limit")
        assert simulator.charges_for("pay_1") == 0

    def test_down_is_503_for_everything(self, client, simulator, intent):
        simulator.fault("*", "unavailable", -1)
        for _ in range(3):
            with pytest.raises(stripe.APIError):
                client.v1.payment_intents.retrieve(intent.id)

        simulator.clear_faults()

        assert client.v1.payment_intents.retrieve(intent.id).id == intent.id

    def test_slow_is_the_true_answer_late(self, client, simulator, intent):
        assert confirm(client, intent, fault="slow:50").status == "requires_capture"

    def test_an_unknown_fault_is_refused(self, wire):
        assert wire("GET", "/v1/payment_intents", Paysys_Fault="gremlin").status == 400


class TestPlanted:
    def test_meets_that_operation_that_many_times(self, client, simulator, intent):
        simulator.fault("retrieve", "error_after", 2)
        assert client.v1.payment_intents.list().data

        for _ in range(2):
            with pytest.raises(stripe.APIError):
                client.v1.payment_intents.retrieve(intent.id)

        assert client.v1.payment_intents.retrieve(intent.id).id == intent.id

    def test_is_gone_after_a_reset(self, client, simulator):
        simulator.fault("*", "unavailable", -1)
        simulator.reset()

        assert client.v1.payment_intents.list().data == []


class TestCards:
    def test_a_card_breaks_its_call_once_for_each_payment(self, client, make, simulator):
        card = "pm_card_sim_confirm_timeout_after"
        for payment in ("pay_1", "pay_2"):
            intent = make(confirm=False, metadata={"paysys_payment": payment})
            with pytest.raises(stripe.APIConnectionError):
                client.v1.payment_intents.confirm(intent.id, {"payment_method": card})

            found = client.v1.payment_intents.retrieve(intent.id)

            assert found.status == "requires_capture"
            assert simulator.charges_for(payment) == 1

    def test_the_call_that_never_arrived_arrives_at_the_second_try(self, client, make, simulator):
        intent = make(confirm=False, metadata={"paysys_payment": "pay_1"})
        given = {"payment_method": "pm_card_sim_confirm_reset_before"}, {"idempotency_key": "k1"}
        with pytest.raises(stripe.APIConnectionError):
            client.v1.payment_intents.confirm(intent.id, *given)
        assert simulator.charges_for("pay_1") == 0

        client.v1.payment_intents.confirm(intent.id, *given)

        assert simulator.charges_for("pay_1") == 1

    def test_remembers_the_card_at_capture_and_refund(self, client, make, simulator):
        late = make("pm_card_sim_capture_error_after", metadata={"paysys_payment": "pay_1"})
        with pytest.raises(stripe.APIError):
            client.v1.payment_intents.capture(late.id)
        assert client.v1.payment_intents.retrieve(late.id).status == "succeeded"

        intent = make("pm_card_sim_refund_timeout_after", metadata={"paysys_payment": "pay_2"})
        client.v1.payment_intents.capture(intent.id)
        with pytest.raises(stripe.APIConnectionError):
            client.v1.refunds.create({"payment_intent": intent.id})
        assert simulator.effects("pay_2")["refunds"] == 1

    def test_without_an_operation_every_call_breaks_once(self, client, make):
        intent = make(confirm=False)
        for call in (
            lambda: client.v1.payment_intents.confirm(
                intent.id, {"payment_method": "pm_card_sim_errorAfter"}
            ),
            lambda: client.v1.payment_intents.capture(intent.id),
        ):
            with pytest.raises(stripe.APIError):
                call()

        assert client.v1.payment_intents.list().data[0].status == "succeeded"


class TestSchedule:
    TEXT = "confirm:timeout_after=0.1,*:slow:300=0.05,webhook:lost=0.2"

    def draw(self, seed, op="confirm", count=2000):
        faults = Faults(self.TEXT, seed)
        return [faults.pick(op) for _ in range(count)]

    def test_the_same_seed_gives_the_same_faults(self):
        assert self.draw(7) == self.draw(7)
        assert self.draw(7) != self.draw(8)

    def test_as_often_as_asked(self):
        drawn = self.draw(1)

        assert 0.08 < drawn.count(Fault("timeout_after")) / len(drawn) < 0.12
        assert 0.035 < drawn.count(Fault("slow", 300.0)) / len(drawn) < 0.065

    def test_a_webhook_meets_only_its_own(self):
        assert {fault.kind for fault in self.draw(1, "webhook") if fault} == {"lost"}

    def test_reads_json_as_well(self, tmp_path):
        file = tmp_path / "faults.json"
        file.write_text('{"faults": [{"op": "confirm", "kind": "slow:9", "probability": 0.5}]}')

        assert read_schedule(str(file)) == read_schedule("confirm:slow:9=0.5")

    @pytest.mark.parametrize("text", ["confirm:gremlin=0.1", "confirm:slow", "slow=x", "a,b"])
    def test_what_it_cannot_read_it_refuses(self, text):
        with pytest.raises(StripeError):
            read_schedule(text)
