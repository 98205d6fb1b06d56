"""Nobody is registered who has not passed the contract."""

from apps.gateways import providers
from apps.gateways.tests import test_paypal, test_stripe


def test_every_registered_provider_has_passed_the_contract():
    covered = {test_stripe.TestStripe.provider_name, test_paypal.TestPayPal.provider_name}

    # `instant` keeps nothing and exists for a bench in test mode alone.
    assert set(providers.names()) - {"instant"} == covered
