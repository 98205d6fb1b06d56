"""`manage.py route --explain`: which provider takes a payment, and why it and no other."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock, ids
from apps.core.errors import DomainError, InvalidRequest
from apps.core.money import from_minor, is_currency, shown
from apps.gateways import selectors as gateways
from apps.gateways.types import (
    ANY,
    CircuitState,
    Decided,
    Operation,
    Routable,
    Rule,
    in_words,
    require_chargeable,
)
from apps.merchants import selectors as merchants
from apps.payments import selectors, services
from apps.payments.models import Payment
from apps.payments.types import CardTender
from apps.wallets import selectors as wallets

BAD_INPUT: Final = 2
LARGEST: Final = 10**12
SHOWN: Final = (Operation.CREATE, Operation.CONFIRM, Operation.CAPTURE, Operation.REFUND)
_TOLD: Final = ("merchant", "method", "currency", "amount", "country", "tokens")


class Command(BaseCommand):
    help = (
        "Which provider takes a payment: one that was made (pay_…), or one that might be "
        "(--merchant, --currency, --amount and more). Asks nobody and changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("payment", nargs="?", help="a payment that was made: pay_…")
        parser.add_argument(
            "--explain", action="store_true", help="also every rule, every provider, the reasons"
        )
        parser.add_argument("--merchant", help="whose payment: merchant_…")
        parser.add_argument("--method", help="what is paid by: card (the default), paypal, …")
        parser.add_argument("--currency", help="ISO 4217: USD")
        parser.add_argument("--amount", help="in minor units: 10000 is 100.00 dollars")
        parser.add_argument("--country", help="the card's, as two capitals, if it is known")
        parser.add_argument("--tokens", help="who has a token: stripe,paypal; all if left out")

    def handle(self, **options: Any) -> None:
        now = clock.now()
        try:
            made, card, asked = self._asked(options)
        except DomainError as error:
            named = f"--{error.param}: " if error.param in _TOLD else ""
            raise CommandError(f"{named}{error.message}", returncode=BAD_INPUT) from error
        decided = gateways.route(asked, now=now)
        if not options["explain"]:
            self.stdout.write(made.provider if made else decided.route.provider)
            return
        for line in _explained(made, card, asked, decided, now):
            self.stdout.write(line)

    def _asked(self, options: dict[str, Any]) -> tuple[Payment | None, CardTender, Routable]:
        told = {name: options[name] for name in _TOLD if options[name] is not None}
        if options["payment"] is None:
            return None, *_hypothetical(told)
        if told:
            raise InvalidRequest("A payment that was made has all that: name it and nothing else.")
        return _made(options["payment"])


def _made(public_id: str) -> tuple[Payment, CardTender, Routable]:
    """A payment, and what is known today of what it is paid with."""
    payment = selectors.find_anywhere(ids.decode("pay", public_id))
    if payment is None:
        raise InvalidRequest(f"No such payment: {public_id}.")
    if not payment.provider:
        raise InvalidRequest("No provider takes part in this payment.")
    tokens, country = {payment.provider: payment.provider_token}, ""
    if payment.payment_method_id is not None:
        method = wallets.find_payment_method(book_id=payment.book_id, id=payment.payment_method_id)
        if method is not None:
            tokens, country = services.usable_tokens(method) or tokens, method.country or ""
    card = CardTender(tokens, payment.payment_method_id, payment.method, country)
    part = payment.money(payment.card_amount)
    asked = services.routable(card, part, payment_id=payment.id, book_id=payment.book_id)
    return payment, card, asked


def _hypothetical(told: dict[str, str]) -> tuple[CardTender, Routable]:
    """A payment that nobody has made: which share of a split it falls into is a throw of dice."""
    for name in ("merchant", "currency", "amount"):
        if name not in told:
            raise InvalidRequest("Needed, if no payment is named.", param=name)
    try:
        book_id = merchants.get(ids.decode("merchant", told["merchant"])).id
    except DomainError as error:
        raise InvalidRequest(f"No such merchant: {told['merchant']}.", param="merchant") from error
    if not is_currency(told["currency"]):
        raise InvalidRequest(f"Unknown currency: {told['currency']}.", param="currency")
    amount, country = told["amount"], told.get("country", "")
    if not (amount.isascii() and amount.isdigit() and 1 <= int(amount[:14]) <= LARGEST):
        raise InvalidRequest(f"A whole number from 1 to {LARGEST}.", param="amount")
    if country and not (len(country) == 2 and country.isascii() and country.isupper()):
        raise InvalidRequest("Two capitals: DE.", param="country")
    card = CardTender(_tokens(told), method=told.get("method", "card"), country=country)
    whole = from_minor(int(amount), told["currency"])
    return card, services.routable(card, whole, payment_id=ids.new_id(), book_id=book_id)


def _tokens(told: dict[str, str]) -> dict[str, str]:
    offered = gateways.offered()
    names = told["tokens"].split(",") if "tokens" in told else list(offered)
    unknown = sorted(set(names) - set(offered))
    if unknown:
        raise InvalidRequest(
            f"Unknown: {', '.join(unknown)}. There are {', '.join(offered)}.", param="tokens"
        )
    return dict.fromkeys(names, "")


def _explained(
    made: Payment | None, card: CardTender, asked: Routable, decided: Decided, now: datetime
) -> Iterator[str]:
    yield "Payment"
    yield from _aligned(_facts(made, asked))
    yield "Rules, in the order in which they are looked at; the first that fits decides"
    yield from _aligned(_rules(decided))
    yield "Providers, and how their calls of the last minute ended"
    yield from _aligned(
        [row for name in gateways.offered() for row in _provider(card, asked, name, now)]
    )
    if made is not None:
        yield "Decided when the payment was accepted"
        yield from _aligned(_decision(made.route))
        yield "A payment like it would be decided now"
    else:
        yield "Decided"
    yield from _aligned(_decision(decided.route.as_json()))


def _facts(made: Payment | None, asked: Routable) -> list[Sequence[str]]:
    return [
        ("id", ids.encode("pay", asked.payment_id) if made else "a new one each time"),
        ("merchant", ids.encode("merchant", asked.merchant_id)),
        ("method", asked.method),
        ("amount", f"{shown(asked.amount)}, which a provider is to charge"),
        ("country", asked.country or "not known"),
    ]


def _rules(decided: Decided) -> list[Sequence[str]]:
    """Every rule: those after the one that fits were not looked at."""
    seen = {rule.id: misfit for rule, misfit in decided.looked_at}
    rows: list[Sequence[str]] = []
    for rule in gateways.rules_now():
        verdict = "not looked at"
        if rule.id in seen:
            verdict = f"no: {seen[rule.id]}" if seen[rule.id] else "FITS"
        rows.append((str(rule.position), rule.name, _says(rule), f"→ {rule.shares}", verdict))
    return rows or [("there are none",)]


def _says(rule: Rule) -> str:
    """What a rule asks of a payment."""
    words = [word for word in (rule.method, rule.currency, rule.country) if word != ANY]
    if rule.amount_from is not None:
        words.append(f"from {rule.amount_from.normalize():f}")
    if rule.amount_to is not None:
        words.append(f"to {rule.amount_to.normalize():f}")
    if rule.merchant_id is not None:
        words.append(ids.encode("merchant", rule.merchant_id))
    return " ".join(words) or "every payment"


def _provider(
    card: CardTender, asked: Routable, name: str, now: datetime
) -> Iterator[Sequence[str]]:
    """Whether a provider can charge it, and one line an operation."""
    can = "can charge it"
    if name not in card.tokens:
        can = "has no token"
    else:
        try:
            require_chargeable(provider=name, amount=asked.amount)
        except DomainError as error:
            can = f"cannot: {error.message}"
    for operation in SHOWN:
        circuit = gateways.circuit_of(provider=name, operation=operation)
        state = circuit.state(now)
        seen = gateways.tally_of(provider=name, operation=operation, now=now, since=None)
        until = f" until {circuit.retry_at:%H:%M:%S}" if state is CircuitState.OPEN else ""
        rate = f"{seen.rate} % of {seen.total}" if seen.total else "no calls"
        first = operation is SHOWN[0]
        yield name if first else "", can if first else "", str(operation), f"{state}{until}", rate


def _decision(route: dict[str, Any]) -> list[Sequence[str]]:
    others = ", ".join(route.get("alternatives", ())) or "nobody"
    return [
        ("provider", route["provider"]),
        *(("because" if not n else "", why) for n, why in enumerate(in_words(route))),
        ("else", others),
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows in columns, and an empty line."""
    widths = [
        max((len(row[n]) for row in rows if len(row) > n + 1), default=0)
        for n in range(max(map(len, rows)))
    ]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield f"  {'  '.join(cells)}".rstrip()
    yield ""
