import pytest
import stripe


@pytest.fixture
def client(simulator):
    """Stripe's own client, pointed at the simulator; no hidden retries."""
    return stripe.StripeClient(
        simulator.api_key, base_addresses={"api": simulator.url}, max_network_retries=0
    )
