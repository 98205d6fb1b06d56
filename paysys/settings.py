"""Every setting of the project, read from the environment; the defaults are for a test machine.

`PAYSYS_MODE` decides what may exist at all: `test` has the simulator and the demo, `live` has
neither, and a system check refuses to start a live deployment that carries anything of the other.
"""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

PAYSYS_MODE = env.str("PAYSYS_MODE", "test")
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", "insecure-for-commands-that-serve-nothing")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "paysys",
    "apps.core",
    "apps.ledger",
    "apps.sagas",
    "apps.audit",
    "apps.merchants",
    "apps.idempotency",
    "apps.wallets",
    "apps.gateways",
    "apps.risk",
    "apps.notifications",
    "apps.payments",
    "apps.reconciliation",
    "apps.console",
    "apps.simulator",
]

if PAYSYS_MODE != "test":
    INSTALLED_APPS.remove("apps.simulator")

MIDDLEWARE = [
    "apps.core.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "paysys.urls"
WSGI_APPLICATION = "paysys.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The application's role; the owner's address (DATABASE_OWNER_URL) is used by migrations alone.
DATABASES = {"default": env.db_url("DATABASE_URL", "postgresql:///paysys")}
DATABASES["default"].update(
    CONN_MAX_AGE=env.int("PAYSYS_CONN_MAX_AGE", 60), CONN_HEALTH_CHECKS=True
)
DATABASES["default"].setdefault("OPTIONS", {})
REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
# How workers hear of new rows: `celery` sends, `record` sends nothing (tests).
PAYSYS_QUEUE = env.str("PAYSYS_QUEUE", "celery")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- sagas
PAYSYS_SAGA_THREADS = env.int("PAYSYS_SAGA_THREADS", 8)  # runs a web process advances at once
PAYSYS_SWEEP_SECONDS = env.float("PAYSYS_SWEEP_SECONDS", 3.0)

# Where processes die, fail or stall, for tests of what happens then (apps/core/failpoints.py).
PAYSYS_FAILPOINTS = env.str("PAYSYS_FAILPOINTS", "")

# --- callers
# Under it the API keys are hashed: whoever has the table but not this has no key.
PAYSYS_KEY_PEPPER = env.str("PAYSYS_KEY_PEPPER", "insecure-for-commands-that-serve-nothing")
PAYSYS_RATE_LIMIT_PER_SECOND = env.int("PAYSYS_RATE_LIMIT_PER_SECOND", 1000)  # of one API key
PAYSYS_IDEMPOTENCY_HOURS = env.float("PAYSYS_IDEMPOTENCY_HOURS", 48.0)  # kept after the answer

# --- providers
# With no key, Stripe is the simulator, and its key and secret protect nothing.
STRIPE_TEST_KEY, STRIPE_TEST_WEBHOOK_SECRET = "sk_test_simulator", "whsec_simulator"
STRIPE_API_KEY = env.str("STRIPE_API_KEY", "") or STRIPE_TEST_KEY
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "") or (
    f"http://127.0.0.1:{env.int('SIMULATOR_PORT', 8001)}"
    if STRIPE_API_KEY == STRIPE_TEST_KEY
    else "https://api.stripe.com"
)
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[]) or (
    [STRIPE_TEST_WEBHOOK_SECRET] if STRIPE_API_KEY == STRIPE_TEST_KEY else []
)
# Our own account there, whose bank accounts are paid to.
STRIPE_TEST_ACCOUNT = "acct_simulator"
STRIPE_ACCOUNT = env.str("STRIPE_ACCOUNT", "") or (
    STRIPE_TEST_ACCOUNT if STRIPE_API_KEY == STRIPE_TEST_KEY else ""
)
# With no client, PayPal is the simulator in test mode, where nothing of it protects anything, and
# not offered in live mode.
PAYPAL_TEST_CLIENT_ID, PAYPAL_TEST_CLIENT_SECRET = "simulator_client", "simulator_secret"
PAYPAL_TEST_WEBHOOK_ID = "SIMULATORWEBHOOK1"
PAYPAL_CLIENT_ID = env.str("PAYPAL_CLIENT_ID", "")
PAYPAL_CLIENT_SECRET = env.str("PAYPAL_CLIENT_SECRET", "")
PAYPAL_API_BASE = env.str("PAYPAL_API_BASE", "") or "https://api-m.paypal.com"
PAYPAL_WEBHOOK_ID = env.str("PAYPAL_WEBHOOK_ID", "")
if PAYSYS_MODE == "test" and not PAYPAL_CLIENT_ID:
    PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET = PAYPAL_TEST_CLIENT_ID, PAYPAL_TEST_CLIENT_SECRET
    PAYPAL_WEBHOOK_ID = PAYPAL_TEST_WEBHOOK_ID
    PAYPAL_API_BASE = env.str("PAYPAL_API_BASE", "") or (
        f"http://127.0.0.1:{env.int('SIMULATOR_PORT', 8001)}/paypal"
    )
# Who takes a payment whose token names no provider; `instant` is for `bench payments` alone.
PAYSYS_PROVIDER = env.str("PAYSYS_PROVIDER", "stripe")
# So many calls of a provider's operation within a minute say how well it does; 0: nobody counts.
PAYSYS_CIRCUIT_CALLS = env.int("PAYSYS_CIRCUIT_CALLS", 10)
# For so long a payment waits for a provider that nobody reaches; then it fails, uncharged.
PAYSYS_UNREACHED_SECONDS = env.int("PAYSYS_UNREACHED_SECONDS", 900)
# Whose tokens a saved payment method may have.
PAYSYS_TOKEN_PROVIDERS = ("stripe", "paypal")
PAYSYS_DEBIT_PROVIDERS = ("stripe",)  # and who debits bank accounts by them

# --- currencies
PAYSYS_QUOTE_SECONDS = env.int("PAYSYS_QUOTE_SECONDS", 300)  # long enough to fill in a checkout
PAYSYS_FX_SPREAD_BASIS_POINTS = env.int("PAYSYS_FX_SPREAD_BASIS_POINTS", 100)
# Around Easter the newest rate is five days old. The table that comes with the code is older than
# a week, so live rates are to be set (`manage.py set_rate`); in test mode no money is converted.
PAYSYS_FX_MAX_AGE_DAYS = env.int("PAYSYS_FX_MAX_AGE_DAYS", 7 if PAYSYS_MODE == "live" else 3650)

# --- bank transfers
# Where customers pay to, by currency: what they are told. In live mode there is none but yours.
PAYSYS_BANK_ACCOUNTS = env.json(
    "PAYSYS_BANK_ACCOUNTS",
    default={}
    if PAYSYS_MODE == "live"
    else {
        "EUR": {"holder": "Paysys", "iban": "DE89370400440532013000", "bic": "COBADEFFXXX"},
        "USD": {"holder": "Paysys", "routing_number": "110000000", "account_number": "0009999991"},
    },
)
# A transfer takes a day or two, and its statement another; after so many days the payment fails.
PAYSYS_BANK_TRANSFER_DAYS = env.float("PAYSYS_BANK_TRANSFER_DAYS", 7.0)

# --- payouts
# Of merchants with whom nothing else is agreed: days from a capture until it is payable.
PAYSYS_PAYOUT_DELAY_DAYS = env.int("PAYSYS_PAYOUT_DELAY_DAYS", 2)
# How often what is due is made payable: what is pending is gone through each time.
PAYSYS_RELEASE_SECONDS = env.int("PAYSYS_RELEASE_SECONDS", 3600)
# Every bank account of an owner but the first is paid to only this long after it was added.
PAYSYS_BANK_ACCOUNT_HOURS = env.float("PAYSYS_BANK_ACCOUNT_HOURS", 24.0)

# What cards put into a wallet stays there for so long before it can be withdrawn.
PAYSYS_CARD_FUNDS_DELAY_HOURS = env.float(
    "PAYSYS_CARD_FUNDS_DELAY_HOURS", 72.0 if PAYSYS_MODE == "live" else 0.0
)

# --- webhooks
# Whether they may go to this machine, by http: for a demo's sink. Refused in a live deployment.
PAYSYS_WEBHOOK_LOOPBACK = env.bool("PAYSYS_WEBHOOK_LOOPBACK", False)
PAYSYS_WEBHOOK_POLL_SECONDS = env.float("PAYSYS_WEBHOOK_POLL_SECONDS", 0.5)

# --- the merchant API
REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["apps.core.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "apps.core.answers.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "apps.core.schema.Description",
    # Named here, so importing rest_framework.views imports them: they must not import core.api.
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.merchants.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.merchants.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.merchants.authentication.KeyThrottle"],
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is a parameter like any other, known or not
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Paysys API",
    "DESCRIPTION": "Payments, with keys of a merchant. Amounts are integers in minor units.",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    # Without the hook that turns choices into named components: fields share names, not meanings.
    "POSTPROCESSING_HOOKS": ["apps.core.schema.describe_errors"],
}
UNFOLD = {"SITE_TITLE": "Paysys", "SITE_HEADER": "Paysys", "SITE_SYMBOL": "account_balance"}
# Below these addresses a person reads the answer; all others answer JSON, errors included.
PAYSYS_PAGES = ("/admin/", "/docs", "/static/", "/return")
# How customers reach us; a payment without a return_url of its own sends them to its /return.
PAYSYS_PUBLIC_URL = env.str("PAYSYS_PUBLIC_URL", "http://127.0.0.1:8000")

# --- secrets in the database
PAYSYS_FIELD_KEYS = env.str("PAYSYS_FIELD_KEYS", "")  # "k2:<base64>,k1:<base64>", current first

# --- logs
LOGGING_CONFIG = "apps.core.logs.configure"
LOGGING = {"level": env.str("LOG_LEVEL", "INFO"), "format": env.str("LOG_FORMAT", "json")}
PAYSYS_ANSWER_SECONDS = env.float("PAYSYS_ANSWER_SECONDS", 1.5)  # how long a request waits

# --- behind TLS, which a live deployment always is
if PAYSYS_MODE == "live":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # asked from inside, without TLS
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 365 * 24 * 3600)
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
