"""Which amounts a provider can express and takes, so that the others are refused in time.

A provider's table is its own (`providers/…/units.py`), registered with it; here is how it is read.
Multiples and smallest charges are in our minor units. What is asked of a table is decided before
any money moves; at the provider's edge the same amount is still refused and never rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.errors import Unprocessable
from apps.core.money import Money, from_minor, to_minor


class AmountNotExpressible(Unprocessable):
    """The provider has no unit so small: the answer says `multiple_of` what an amount has to be."""

    code = "amount_not_expressible"


class ChargeTooSmall(Unprocessable):
    """Less than the provider charges at all: the answer says what the `smallest` is."""

    code = "amount_too_small"


@dataclass(frozen=True, slots=True)
class AmountRules:
    """A provider's table, by currency; a currency that it does not name has no rule."""

    multiple_of: Mapping[str, int] = field(default_factory=dict)
    payout_multiple_of: Mapping[str, int] = field(default_factory=dict)
    smallest_charge: Mapping[str, int] = field(default_factory=dict)


_rules: dict[str, AmountRules] = {}
_NONE = AmountRules()


def set_amount_rules(provider: str, rules: AmountRules) -> None:
    """Make a provider's table known; without one it takes whatever it is asked for."""
    _rules[provider] = rules


def require_expressible(*, provider: str, amount: Money) -> None:
    """Whether the provider can be told this amount: of a charge, a capture or a refund.

    :raises AmountNotExpressible: it cannot.
    """
    _require_multiple(amount, _rules.get(provider, _NONE).multiple_of)


def require_chargeable(*, provider: str, amount: Money) -> None:
    """Whether a card can be charged this amount at the provider.

    :raises AmountNotExpressible: it has no unit so small.
    :raises ChargeTooSmall: it does not charge so little.
    """
    require_expressible(provider=provider, amount=amount)
    code = amount.currency.code
    smallest = _rules.get(provider, _NONE).smallest_charge.get(code, 1)
    if to_minor(amount) < smallest:
        raise ChargeTooSmall(
            f"The smallest charge in {code} is {smallest} minor units.",
            param="amount",
            smallest=smallest,
        )


def payable_part(*, provider: str, amount: Money) -> Money:
    """What of an amount the provider can pay out: all of it, but for units that it cannot say."""
    code = amount.currency.code
    units, multiple = to_minor(amount), _rules.get(provider, _NONE).payout_multiple_of.get(code, 1)
    return from_minor(units - units % multiple, code)


def require_payable(*, provider: str, amount: Money) -> None:
    """Whether the provider can pay out this very amount.

    :raises AmountNotExpressible: it can pay only a part of it.
    """
    _require_multiple(amount, _rules.get(provider, _NONE).payout_multiple_of)


def _require_multiple(amount: Money, multiple_of: Mapping[str, int]) -> None:
    code = amount.currency.code
    multiple = multiple_of.get(code, 1)
    if to_minor(amount) % multiple:
        raise AmountNotExpressible(
            f"An amount in {code} has to be a multiple of {multiple} minor units here.",
            param="amount",
            multiple_of=multiple,
        )
