"""The demo: four merchants with keys, fees, bank accounts and customers, three people of staff.

Everything goes through the public services, as an operator would do it. Seeding again changes
nothing and finds what is there, so that a restart keeps every login and key.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q

from apps.core.errors import AuthenticationFailed, NotFound
from apps.core.ids import encode, new_id
from apps.core.money import Money
from apps.merchants import selectors as merchants
from apps.merchants import services as onboarding
from apps.merchants.types import SCOPES, BankDetails, Interval
from apps.wallets import selectors as wallets
from apps.wallets import services as holding
from apps.wallets.types import MethodKind

ACTOR = "system"
METHOD = "card"
Facts = dict[str, Any]


@dataclass(frozen=True)
class DemoMerchant:
    """Fees: basis points of the gross, and a fixed part per currency."""

    id: UUID
    name: str
    country: str
    currency: str
    basis_points: int
    fixed: Mapping[str, str]


# The ids are fixed: a second seeding finds its merchants, and examples can name them.
MERCHANTS = (
    DemoMerchant(
        id=UUID("01900000-0000-7000-8000-000000000001"),
        name="Copper Kettle Coffee",
        country="US",
        currency="USD",
        basis_points=300,
        fixed={"USD": "0", "EUR": "0"},
    ),
    DemoMerchant(
        id=UUID("01900000-0000-7000-8000-000000000002"),
        name="Lumen Lighting",
        country="FR",
        currency="EUR",
        basis_points=140,
        fixed={"EUR": "0.25", "USD": "0.30"},
    ),
    DemoMerchant(
        id=UUID("01900000-0000-7000-8000-000000000003"),
        name="Harbor Bikes",
        country="NL",
        currency="EUR",
        basis_points=220,
        fixed={"EUR": "0.10", "USD": "0.12"},
    ),
    DemoMerchant(
        id=UUID("01900000-0000-7000-8000-000000000004"),
        name="Northwind Books",
        country="GB",
        currency="EUR",
        basis_points=290,
        fixed={"EUR": "0.30", "USD": "0.30"},
    ),
)
# Customers of every merchant, each with a saved card (name and the provider's test token), a bank
# account and an empty wallet in the merchant's currency.
CUSTOMERS = (
    ("Ada Meyer", "pm_card_visa"),
    ("Ben Okafor", "pm_card_mastercard"),
    ("Carla Rossi", "pm_card_threeDSecure2Required"),
)
IBAN = "DE89370400440532013000"  # the provider's for trying: money arrives there
# An account that is not its owner's first waits a day, which these have done.
KNOWN_FOR = timedelta(days=2)
STAFF = ("admin", "finance", "support")
MAY = {
    "finance": (
        *("resolve_suspensecase", "resolve_excesscase", "redirect_payout", "send_back_payment"),
        "answer_dispute",
    )
}


def seed(*, known: Mapping[str, Any], now: datetime) -> Facts:
    """Make what is missing, and say who can log in and with which keys.

    `known` is what an earlier call returned: plaintext keys and passwords are stored nowhere else.
    Transaction: one per merchant and login. Retries: goes on where it was interrupted.
    """
    keys = {one["id"]: one["api_key"] for one in known.get("merchants", ())}
    passwords = {one["username"]: one["password"] for one in known.get("logins", ())}
    return {
        "merchants": [_merchant(demo, keys=keys, now=now) for demo in MERCHANTS],
        "logins": [_login(username, passwords.get(username)) for username in STAFF],
    }


def _merchant(demo: DemoMerchant, *, keys: Mapping[str, str], now: datetime) -> Facts:
    public_id = encode("merchant", demo.id)
    with transaction.atomic():
        try:
            merchants.get(demo.id)
        except NotFound:
            _onboard(demo, now)
        _bank_accounts(demo.id, demo.name, sorted(demo.fixed), now=now)
        for number, (name, token) in enumerate(CUSTOMERS, 1):
            _customer(demo, number=number, name=name, token=token, now=now)
        api_key = keys.get(public_id)
        if api_key is None or not _works(api_key, demo.id, now):
            _, api_key = onboarding.issue_key(book_id=demo.id, name="demo", actor=ACTOR, now=now)
    return {"id": public_id, "name": demo.name, "api_key": api_key}


def _onboard(demo: DemoMerchant, now: datetime) -> None:
    onboarding.onboard(
        id=demo.id,
        name=demo.name,
        country=demo.country,
        default_currency=demo.currency,
        basis_points=demo.basis_points,
        actor=ACTOR,
        now=now,
    )
    # Payable the day it is captured, so that a payout can be tried at once.
    onboarding.set_payout_terms(
        book_id=demo.id, interval=Interval.MANUAL, delay_days=0, actor=ACTOR, now=now
    )
    for currency, fixed in demo.fixed.items():
        onboarding.set_fee_plan(
            book_id=demo.id,
            method=METHOD,
            currency=currency,
            basis_points=demo.basis_points,
            fixed=Money(Decimal(fixed), currency),
            valid_from=now,
            actor=ACTOR,
            now=now,
        )


def _customer(demo: DemoMerchant, *, number: int, name: str, token: str, now: datetime) -> None:
    """A customer with a card and a wallet; their ids follow from the merchant's, to be found."""
    customer_id = UUID(int=demo.id.int + (number << 16))
    customer = wallets.find_customer(book_id=demo.id, id=customer_id)
    if customer is None:
        address = f"{name.split(maxsplit=1)[0].lower()}@example.com"
        holding.create_customer(
            book_id=demo.id,
            customer_id=customer_id,
            name=name,
            email=address,
            metadata={},
            actor=ACTOR,
            now=now,
        )
        holding.store_payment_method(
            book_id=demo.id,
            payment_method_id=UUID(int=customer_id.int + (1 << 32)),
            customer_id=customer_id,
            kind=MethodKind.CARD,
            provider="stripe",
            token=token,
            actor=ACTOR,
            now=now,
        )
    elif customer.erased_at is not None:
        return
    _bank_accounts(demo.id, name, [demo.currency], customer_id=customer_id, now=now)
    if not wallets.list_wallets(book_id=demo.id, customer_id=customer_id).exists():
        holding.open_wallet(
            book_id=demo.id,
            wallet_id=UUID(int=customer_id.int + (2 << 32)),
            customer_id=customer_id,
            currency=demo.currency,
            metadata={},
            actor=ACTOR,
            now=now,
        )


def _bank_accounts(
    book_id: UUID,
    holder: str,
    currencies: Sequence[str],
    *,
    customer_id: UUID | None = None,
    now: datetime,
) -> None:
    """Where the owner's money goes, one account per currency; whoever has had one is left alone."""
    if merchants.has_had_bank_account(book_id=book_id, customer_id=customer_id):
        return
    for currency in currencies:
        onboarding.add_bank_account(
            book_id=book_id,
            bank_account_id=new_id(),
            details=BankDetails(holder, IBAN, "DE", currency, is_iban=True),
            customer_id=customer_id,
            actor=ACTOR,
            now=now - KNOWN_FOR,
        )


def _works(api_key: str, book_id: UUID, now: datetime) -> bool:
    try:
        caller = merchants.by_api_key(api_key, now)
    except AuthenticationFailed:
        return False
    # A key from before a scope existed does not have it.
    return caller.book_id == book_id and caller.scopes >= SCOPES


def _login(username: str, known: str | None) -> Facts:
    """`admin` may do everything; the others see everything and change only what `MAY` says."""
    password = known or secrets.token_urlsafe(12)
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(
            username=username, defaults={"is_staff": True, "is_superuser": username == "admin"}
        )
        if is_new or known is None:
            user.set_password(password)
            user.save(update_fields=["password"])
        if not user.is_superuser:
            group, _ = Group.objects.get_or_create(name=username)
            allowed = Q(codename__startswith="view_") | Q(codename__in=MAY.get(username, ()))
            group.permissions.set(Permission.objects.filter(allowed))
            user.groups.add(group)
    return {"username": username, "password": password}
