from functools import partial

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


class GatewaysConfig(AppConfig):
    name = "apps.gateways"
    label = "gateways"

    def ready(self) -> None:
        from apps.gateways import providers
        from apps.gateways.providers.instant import Instant
        from apps.gateways.providers.paypal import PayPal
        from apps.gateways.providers.paypal import answers as paypal_answers
        from apps.gateways.providers.paypal import units as paypal_units
        from apps.gateways.providers.stripe import ANSWERS, Stripe, units
        from apps.gateways.types import AnswerRules

        providers.register(
            "stripe",
            partial(
                Stripe,
                api_key=settings.STRIPE_API_KEY,
                api_base=settings.STRIPE_API_BASE,
                account=settings.STRIPE_ACCOUNT,
                webhook_secrets=settings.STRIPE_WEBHOOK_SECRETS,
            ),
            amounts=units.RULES,
            answers=ANSWERS,
        )
        if settings.PAYPAL_CLIENT_ID:
            providers.register(
                "paypal",
                partial(
                    PayPal,
                    client_id=settings.PAYPAL_CLIENT_ID,
                    client_secret=settings.PAYPAL_CLIENT_SECRET,
                    api_base=settings.PAYPAL_API_BASE,
                    webhook_id=settings.PAYPAL_WEBHOOK_ID,
                ),
                amounts=paypal_units.RULES,
                answers=paypal_answers.RULES,
            )
        if settings.PAYSYS_MODE == "test":
            providers.register("instant", Instant, answers=AnswerRules())
        register(check_live_settings)


def check_live_settings(**_kwargs: object) -> list[CheckMessage]:
    """A live deployment talks to the real providers, with live keys and secrets of its own."""
    if settings.PAYSYS_MODE != "live":
        return []
    wrong: list[CheckMessage] = []
    if not settings.STRIPE_API_KEY.startswith(("sk_live_", "rk_live_")):
        wrong.append(Error("STRIPE_API_KEY is no live key", id="gateways.E001"))
    if settings.STRIPE_API_BASE != "https://api.stripe.com":
        wrong.append(Error("STRIPE_API_BASE is not Stripe", id="gateways.E002"))
    if not settings.STRIPE_WEBHOOK_SECRETS or (
        settings.STRIPE_TEST_WEBHOOK_SECRET in settings.STRIPE_WEBHOOK_SECRETS
    ):
        wrong.append(Error("STRIPE_WEBHOOK_SECRETS is empty or the test's", id="gateways.E003"))
    if not settings.STRIPE_ACCOUNT.startswith("acct_") or (
        settings.STRIPE_ACCOUNT == settings.STRIPE_TEST_ACCOUNT
    ):
        wrong.append(Error("STRIPE_ACCOUNT, from which is paid out, is empty", id="gateways.E008"))
    if settings.PAYSYS_PROVIDER == "instant":
        wrong.append(Error("PAYSYS_PROVIDER is the bench's pretended one", id="gateways.E004"))
    return wrong + (_check_paypal() if settings.PAYPAL_CLIENT_ID else [])


def _check_paypal() -> list[CheckMessage]:
    """PayPal is offered where it has a client; then all of it is the real one's."""
    wrong: list[CheckMessage] = []
    of_the_test = (settings.PAYPAL_TEST_CLIENT_ID, settings.PAYPAL_TEST_CLIENT_SECRET, "")
    if settings.PAYPAL_CLIENT_ID in of_the_test or settings.PAYPAL_CLIENT_SECRET in of_the_test:
        wrong.append(Error("PAYPAL_CLIENT_ID or its secret is the test's", id="gateways.E005"))
    if settings.PAYPAL_API_BASE != "https://api-m.paypal.com":
        wrong.append(Error("PAYPAL_API_BASE is not PayPal", id="gateways.E006"))
    if settings.PAYPAL_WEBHOOK_ID in ("", settings.PAYPAL_TEST_WEBHOOK_ID):
        wrong.append(Error("PAYPAL_WEBHOOK_ID is missing or the test's", id="gateways.E007"))
    return wrong
