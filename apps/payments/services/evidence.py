"""What is answered to a dispute: the merchant's texts, and before them what we know ourselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.core import crypto, ids
from apps.core.errors import InvalidRequest
from apps.core.money import shown
from apps.gateways.types import EVIDENCE, EVIDENCE_CHARACTERS
from apps.payments.models import Dispute, DisputeEvidence, Payment
from apps.risk import selectors as risk
from apps.wallets import selectors as wallets

TABLE, COLUMN = "payments_dispute_evidence", "texts_encrypted"
# Metadata of a payment that say how it was delivered, under these names or the evidence's own.
DELIVERY: Final = {
    "tracking_number": "shipping_tracking_number",
    "carrier": "shipping_carrier",
    "shipped_on": "shipping_date",
    "delivered_on": "service_date",
    "delivery_address": "shipping_address",
}
EARLIER: Final = timedelta(days=365)


def stage(dispute: Dispute, texts: Mapping[str, str], *, now: datetime) -> None:
    """Keep these texts with those kept before; an empty one takes its name away.

    Transaction: the caller's, which has locked the dispute.

    :raises InvalidRequest: together they are longer than a provider takes.
    """
    kept = {**read(book_id=dispute.book_id, dispute_id=dispute.id), **texts}
    if (length := sum(map(len, kept.values()))) > EVIDENCE_CHARACTERS:
        raise InvalidRequest(
            f"texts: {length} characters together, of at most {EVIDENCE_CHARACTERS}.",
            param="texts",
        )
    row = DisputeEvidence.objects.filter(book_id=dispute.book_id, dispute_id=dispute.id).first()
    row = row or DisputeEvidence(id=ids.new_id(), book_id=dispute.book_id, dispute=dispute)
    told = {name: text for name, text in kept.items() if text}
    row.texts_encrypted = crypto.encrypt(
        json.dumps(told), table=TABLE, column=COLUMN, row_id=row.id, book_id=row.book_id
    )
    row.updated_at = now
    row.save()


def read(*, book_id: UUID, dispute_id: UUID) -> dict[str, str]:
    """The texts that are kept; none if there were none, or if the customer was erased."""
    row = DisputeEvidence.objects.filter(book_id=book_id, dispute_id=dispute_id).first()
    if row is None:
        return {}
    plain = crypto.decrypt(
        row.texts_encrypted, table=TABLE, column=COLUMN, row_id=row.id, book_id=book_id
    )
    found: dict[str, str] = json.loads(plain)
    return found


def suggested(dispute: Dispute) -> dict[str, str]:
    """What we know ourselves: the receipt, the delivery, the screening, earlier payments."""
    payment = dispute.payment
    found = {"product_description": payment.description, "uncategorized_text": _receipt(payment)}
    for name, text in payment.metadata.items():
        known = name if name in EVIDENCE else DELIVERY.get(name, "")
        if known:
            found[known] = text
    found |= _customer(payment)
    return {name: text[: EVIDENCE[name]] for name, text in found.items() if text}


def _customer(payment: Payment) -> dict[str, str]:
    """Who has saved the method that paid, if anybody has."""
    method = payment.payment_method_id and wallets.find_payment_method(
        book_id=payment.book_id, id=payment.payment_method_id
    )
    if not method or method.customer_id is None:
        return {}
    customer = wallets.get_customer(book_id=payment.book_id, id=method.customer_id)
    return {
        "customer_name": customer.name or "",
        "customer_email_address": customer.email or "",
    }


def _receipt(payment: Payment) -> str:
    """One line a fact, as an issuer's clerk reads it."""
    lines = []
    if payment.captured_at is not None:  # a provider may dispute what we do not know it has taken
        lines.append(
            f"Payment {ids.encode('pay', payment.id)}: "
            f"{shown(payment.money(payment.amount_captured))}"
            f" captured on {payment.captured_at:%Y-%m-%d %H:%M} UTC."
        )
    if payment.reference:
        lines.append(f"Order {payment.reference}.")
    if payment.card:
        brand, last4 = payment.card.get("brand", "card"), payment.card.get("last4", "")
        lines.append(f"Paid by {brand} ending in {last4}.")
    if payment.sca:
        lines.append("The cardholder was asked to authenticate (3-D Secure).")
    screened = risk.find(book_id=payment.book_id, payment_id=payment.id)
    if screened is not None:
        reasons = ", ".join(screened.reasons) or "nothing spoke against it"
        lines.append(f"Screened before it was taken: {screened.decision}, {reasons}.")
    if payment.amount_refunded:
        lines.append(f"Refunded since: {shown(payment.money(payment.amount_refunded))}.")
    return "\n".join([*lines, *_earlier(payment)])


def _earlier(payment: Payment) -> list[str]:
    """What the same saved method paid in the year before."""
    if payment.payment_method_id is None:
        return []
    since = payment.created_at - EARLIER
    earlier = Payment.objects.filter(
        book_id=payment.book_id,
        id__gte=ids.lowest_at(since),
        id__lt=payment.id,
        payment_method_id=payment.payment_method_id,
        amount_captured__gt=0,
    )
    undisputed = earlier.filter(amount_disputed=0, amount_charged_back=0).count()
    return [
        f"The same method paid {earlier.count()} times in the year before; "
        f"{undisputed} of these payments were not disputed."
    ]
