import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from apps.core import checks


@pytest.fixture
def live(settings, monkeypatch):
    """A live deployment that nothing is wrong with."""
    settings.PAYSYS_MODE = "live"
    settings.DEBUG = False
    settings.SECRET_KEY = "x" * 50
    settings.PAYSYS_KEY_PEPPER = "y" * 50
    settings.PAYSYS_PROVIDER = "stripe"
    settings.STRIPE_API_KEY = "sk_live_" + "z" * 20
    settings.STRIPE_API_BASE = "https://api.stripe.com"
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_" + "z" * 20]
    # In place: to override these two is to load every app, and every connection, again.
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "long-and-random")
    apps = list(settings.INSTALLED_APPS)
    settings.INSTALLED_APPS.remove("apps.simulator")
    yield settings
    settings.INSTALLED_APPS[:] = apps


def findings():
    return [str(message.msg) for message in checks.mode()]


class TestLive:
    def test_with_nothing_of_test_mode_is_fine(self, live):
        assert findings() == []

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("DEBUG", True, "DEBUG is on"),
            ("ALLOWED_HOSTS", ["*"], "every host"),
            ("SECRET_KEY", "short", "shorter than"),
            ("SECRET_KEY", "insecure-for-commands-that-serve-nothing", "insecure default"),
            ("PAYSYS_KEY_PEPPER", "insecure-for-commands-that-serve-nothing", "insecure default"),
            ("STRIPE_API_KEY", "sk_test_abc", "STRIPE_API_KEY holds a provider's test key"),
            ("STRIPE_API_KEY", "rk_test_abc", "test key"),
            ("OTHER_PROVIDERS", [{"key": "pk_test_abc"}], "OTHER_PROVIDERS holds"),
            ("PAYSYS_SIMULATOR_URL", "http://127.0.0.1:8001", "belongs to test mode"),
            ("PAYSYS_DEMO", True, "belongs to test mode"),
            ("PAYSYS_FAILPOINTS", ["capture"], "belongs to test mode"),
            ("PAYSYS_TEST_CLOCK", True, "belongs to test mode"),
            ("PAYSYS_WEBHOOK_LOOPBACK", True, "belongs to test mode"),
            ("PAYSYS_PROVIDER", "instant", "benchmarks"),
            ("PAYSYS_FIELD_KEYS", "", "PAYSYS_FIELD_KEYS"),
            ("PAYSYS_FIELD_KEYS", "k1:AAAA", "PAYSYS_FIELD_KEYS"),
        ],
    )
    def test_with_anything_of_it_is_refused(self, live, name, value, says):
        setattr(live, name, value)

        (finding,) = [text for text in findings() if says in text]
        assert "sk_test_abc" not in finding

    def test_with_a_default_password_is_refused(self, live, monkeypatch):
        monkeypatch.setitem(live.DATABASES["default"], "PASSWORD", "postgres")

        assert findings() == ["DATABASES has a default password"]

    def test_with_the_simulator_is_refused(self, live):
        live.INSTALLED_APPS.append("apps.simulator")

        assert findings() == ["INSTALLED_APPS holds the simulator"]

    def test_does_not_start(self, live):
        live.STRIPE_API_KEY = "sk_test_abc"

        with pytest.raises(ImproperlyConfigured, match="STRIPE_API_KEY"):
            checks.refuse_to_start()


class TestTest:
    def test_may_hold_all_of_it(self):
        assert findings() == []
        checks.refuse_to_start()

    def test_needs_no_field_keys_but_no_broken_ones(self, settings):
        settings.PAYSYS_FIELD_KEYS = ""
        assert findings() == []

        settings.PAYSYS_FIELD_KEYS = "k1:AAAA"
        assert "PAYSYS_FIELD_KEYS" in findings()[0]


def test_there_is_no_third_mode(settings):
    settings.PAYSYS_MODE = "prod"

    assert "test, live" in findings()[0]
    with pytest.raises(ImproperlyConfigured, match="PAYSYS_MODE"):
        checks.refuse_to_start()


def test_manage_py_check_asks_too(settings):
    settings.PAYSYS_MODE = "prod"

    assert "paysys.E001" in {message.id for message in run_checks()}
