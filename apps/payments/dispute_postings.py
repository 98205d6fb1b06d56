"""What each event of a dispute books, as in `postings`."""

from __future__ import annotations

from datetime import datetime

from apps.core.money import Money
from apps.ledger import chart
from apps.ledger.types import Line
from apps.payments.models import Dispute, DisputeLine, DisputeMove, Payment
from apps.payments.postings import post, signed


def dispute_moved(dispute: Dispute, move: DisputeMove, *, occurred_at: datetime) -> None:
    """What one look at a dispute changed: opened, won, lost in part or in full, reversed.

    Set aside is `merchant:disputed`. What is lost the provider keeps of what it has withdrawn, or
    will: its line may come later. All of it is taken from the bearer, and beyond the budget from
    us; what comes back goes where it was taken. What we carry a person charges to the merchant or
    writes off.
    """
    payment, paid = dispute.payment, dispute.money
    taken, missing = payment.credit(move.bearer_amount), payment.credit(move.shortfall)
    lines = [*signed(_bearer_of(move), taken)]
    excess = paid(move.excess)
    if payment.is_converted:
        lines += signed(chart.PLATFORM_EXCESS, missing)
        lines += signed(chart.PLATFORM_FX, -(taken + missing))
        lines += signed(chart.PLATFORM_FX, paid(move.budget_part))
    else:
        excess += missing
    lines += [
        *signed(chart.PLATFORM_EXCESS, excess),
        *signed(chart.MERCHANT_DISPUTED, -paid(move.amount_open)),
        *signed(chart.provider_disputed(dispute.provider), -paid(move.amount_lost)),
        *_covered(payment, move),
    ]
    kind = "dispute_excess" if move.is_decision else "dispute"
    post(dispute.book_id, f"dispute:{move.id}", kind, lines, occurred_at)


def _covered(payment: Payment, move: DisputeMove) -> list[Line]:
    """What is charged or written off of what we carry, or comes back of it.

    Of a converted payment the excess is charged at the payment's rate, through `platform:fx`.
    """
    paid, credit_ = payment.money, payment.credit
    charged = credit_(move.merchant_charged)
    lines = [
        *signed(chart.MERCHANT_PAYABLE, charged),
        *signed(chart.PLATFORM_LOSSES, paid(move.excess_written_off)),
        *signed(chart.PLATFORM_LOSSES, credit_(move.shortfall_written_off)),
        *signed(chart.PLATFORM_EXCESS, -paid(move.excess_charged + move.excess_written_off)),
        *signed(
            chart.PLATFORM_EXCESS, -credit_(move.shortfall_charged + move.shortfall_written_off)
        ),
    ]
    if payment.is_converted:
        lines += signed(chart.PLATFORM_FX, paid(move.excess_charged))
        lines += signed(chart.PLATFORM_FX, credit_(move.shortfall_charged) - charged)
    return lines


def dispute_line(line: DisputeLine, *, occurred_at: datetime) -> None:
    """The provider withdraws the money or returns it, and takes its fee, which is passed on.

    Of a converted payment the fee is charged at the payment's rate, through `platform:fx`.
    """
    gross, fee = Money(line.gross, line.currency), Money(line.provider_fee, line.currency)
    lines = [
        *signed(chart.provider_disputed(line.provider), -gross),
        *signed(chart.provider_fees(line.provider), fee),
        *signed(chart.provider_clearing(line.provider), gross - fee),
        *signed(chart.MERCHANT_PAYABLE, line.charged),
        *signed(chart.PLATFORM_FEES, -fee),
    ]
    if line.merchant_fee is not None:
        lines += [*signed(chart.PLATFORM_FX, -line.charged), *signed(chart.PLATFORM_FX, fee)]
    post(line.book_id, f"dispute:line:{line.line_reference}", "dispute_line", lines, occurred_at)


def _bearer_of(move: DisputeMove) -> str:
    if move.wallet_id is not None:
        return chart.wallet_available(move.wallet_id)
    return chart.MERCHANT_PAYABLE
