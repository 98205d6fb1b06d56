"""What a payment is paid with, and where its money goes: what a merchant names becomes tenders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.core import ids
from apps.core.errors import InvalidRequest, NotFound, Unprocessable
from apps.core.money import Money
from apps.gateways import selectors as gateways
from apps.gateways.types import Routable, require_chargeable
from apps.ledger import chart
from apps.ledger import services as ledger
from apps.payments.services import bank_debits, bank_transfers
from apps.payments.types import BANK_DEBIT, BANK_TRANSFER, CardTender, NewPayment, WalletTender
from apps.wallets import selectors as wallets
from apps.wallets import services as holding
from apps.wallets.types import MethodKind

if TYPE_CHECKING:
    from apps.wallets.models import Wallet
    from apps.wallets.types import StoredMethod


PAYPAL = "paypal"


class MethodDetached(Unprocessable):
    """The saved method has no token at any provider we could charge."""

    code = "payment_method_unusable"


@dataclass(frozen=True)
class Tenders:
    """What pays: a card, a wallet, the wallet first and the card for the rest, or a transfer."""

    card: CardTender | None = None
    wallet: WalletTender | None = None
    is_bank_transfer: bool = False

    @property
    def method(self) -> str:
        """The method whose fee plan decides."""
        if self.is_bank_transfer:
            return BANK_TRANSFER
        return self.card.method if self.card else "wallet"


def tenders_of(
    *,
    book_id: UUID,
    order: NewPayment,
    held: WalletTender | None = None,
    trusts_wallet: bool = False,
) -> Tenders:
    """Who pays which part; what was `held` before, pays all of it.

    With `trusts_wallet` the wallet is not looked at unless its balance decides: `place_hold` guards
    what is trusted.
    With `order.spends_what_there_is` it needs the caller's `atomic()`: the wallet's balance is
    locked, so that the part which is decided on is the part that is held.

    :raises NotFound: the source or the wallet is nobody's, or another merchant's.
    :raises MethodDetached: the saved method cannot be charged any more.
    :raises WalletFrozen, WalletClosed, CurrencyMismatch: the wallet cannot pay this.
    :raises InvalidRequest: two wallets, or more from the wallet than is to be paid.
    :raises NotSupportedByMethod: what is ordered cannot be paid by bank transfer or debit.
    """
    if held:
        return Tenders(wallet=held)
    if order.source == BANK_TRANSFER:
        bank_transfers.refuse_unless_plain(order)
        return Tenders(is_bank_transfer=True)
    if order.source.startswith("wallet_"):
        if order.wallet:
            raise InvalidRequest("wallet: the source is a wallet already.", param="wallet")
        wallet_id = wallet_id_of(order.source, "source")
        if not trusts_wallet:
            spending_wallet(book_id, order.source, order.amount, param="source")
        return Tenders(wallet=WalletTender(wallet_id, order.amount, ids.new_id()))
    card = card_tender(book_id, order)
    if not order.wallet:
        return Tenders(card=card)
    wallet_id, part = wallet_id_of(order.wallet, "wallet"), order.wallet_amount
    if part is None or not trusts_wallet:
        wallet = spending_wallet(book_id, order.wallet, order.amount, param="wallet")
        part = part or _what_there_is(wallet, order.amount)
    if part > order.amount:
        raise InvalidRequest("wallet_amount: more than is to be paid.", param="wallet_amount")
    if not part.amount:
        return Tenders(card=card)
    tender = WalletTender(wallet_id, part, ids.new_id())
    return Tenders(card=card if part < order.amount else None, wallet=tender)


def card_tender(book_id: UUID, order: NewPayment) -> CardTender:
    """The providers' tokens behind a source: a saved method's, or the token itself.

    `paypal` stands for whoever agrees at PayPal: the payment waits for them there.
    """
    source = order.source
    if source == PAYPAL:
        return CardTender({PAYPAL: PAYPAL}, method=PAYPAL)
    if source.startswith("pm_"):
        return CardTender({settings.PAYSYS_PROVIDER: source})
    _, method_id = ids.decode_any(source, ("card", "bank"))
    method = wallets.find_payment_method(book_id=book_id, id=method_id)
    if method is None:
        raise NotFound(f"No such payment method: {source}.", param="source")
    tokens = usable_tokens(method)
    if not tokens:
        raise MethodDetached("The payment method can no longer be charged.", param="source")
    if method.kind is MethodKind.BANK:
        bank_debits.refuse_unless_plain(order)
        return CardTender(tokens, method_id, BANK_DEBIT)
    return CardTender(tokens, method_id, country=method.country or "")


def usable_tokens(method: StoredMethod) -> dict[str, str]:
    """What of a saved method's tokens is a provider's that we can ask; none if it was detached."""
    offered = gateways.offered()
    if method.kind is MethodKind.BANK:
        offered = tuple(name for name in offered if name in settings.PAYSYS_DEBIT_PROVIDERS)
    return {name: token for name, token in method.tokens.items() if name in offered}


def columns_of(
    paid: Tenders, whole: Money, *, payment_id: UUID, book_id: UUID, now: datetime
) -> dict[str, Any]:
    """The tenders as a payment's columns, and which provider takes the card's part.

    :raises AmountTooSmall, AmountNotExpressible: no provider charges the card's part.
    """
    card, wallet = paid.card, paid.wallet
    route = None
    if card:
        part = whole - wallet.amount if wallet else whole
        asked = routable(card, part, payment_id=payment_id, book_id=book_id)
        route = gateways.route(asked, now=now).route
    return {
        "payment_method_id": card.payment_method_id if card else None,
        "provider": route.provider if route else "",
        "provider_token": card.tokens[route.provider] if card and route else "",
        "route": route.as_json() if route else {},
        "wallet_id": wallet.wallet_id if wallet else None,
        "wallet_amount": wallet.amount.amount if wallet else Decimal(0),
        "hold_id": wallet.hold_id if wallet else None,
    }


def routable(card: CardTender, amount: Money, *, payment_id: UUID, book_id: UUID) -> Routable:
    """The card's part of a payment, and the providers that could charge it.

    :raises AmountTooSmall, AmountNotExpressible: none of them charges this amount.
    """
    candidates, refused = [], None
    for provider in card.tokens:
        try:
            require_chargeable(provider=provider, amount=amount)
        except Unprocessable as error:
            refused = refused or error
        else:
            candidates.append(provider)
    if refused and not candidates:
        raise refused
    return Routable(
        payment_id=payment_id,
        merchant_id=book_id,
        method=card.method,
        amount=amount,
        candidates=tuple(candidates),
        country=card.country,
    )


def spending_wallet(book_id: UUID, public_id: str, amount: Money, *, param: str) -> Wallet:
    """A wallet that may pay in this currency; the commit that takes its money guards it again."""
    wallet = receiving_wallet(book_id, public_id, amount.currency.code, param=param)
    holding.refuse_unless_active(wallet)
    return wallet


def receiving_wallet(book_id: UUID, public_id: str, currency: str, *, param: str) -> Wallet:
    """A wallet that takes money in this currency: a frozen one does."""
    wallet = _found(book_id, public_id, param)
    holding.refuse_unless_open(wallet)
    holding.refuse_other_currency(wallet, currency)
    return wallet


def wallet_id_of(public_id: str, param: str) -> UUID:
    """:raises NotFound: no wallet can have this id."""
    try:
        return ids.decode("wallet", public_id)
    except NotFound:
        raise _no_such(public_id, param) from None


def _found(book_id: UUID, public_id: str, param: str) -> Wallet:
    try:
        return wallets.get_wallet(book_id=book_id, id=wallet_id_of(public_id, param))
    except NotFound:
        raise _no_such(public_id, param) from None


def _no_such(public_id: str, param: str) -> NotFound:
    return NotFound(f"No such wallet: {public_id}.", param=param)


def _what_there_is(wallet: Wallet, wanted: Money) -> Money:
    assert connection.in_atomic_block, "what there is, is locked until it is held"
    code = chart.wallet_available(wallet.id)
    there = ledger.lock_balance(book_id=wallet.book_id, code=code, currency=wallet.currency)
    return min(there, wanted)
