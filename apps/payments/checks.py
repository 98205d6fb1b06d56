"""The accounts that customers are told to pay to: a mistyped one sends their money elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import stdnum.iban
import stdnum.us.rtn
from django.conf import settings
from django.core import checks

from apps.core.money import is_currency


@checks.register
def bank_accounts(**_: Any) -> list[checks.CheckMessage]:
    """The findings about `PAYSYS_BANK_ACCOUNTS`."""
    accounts = settings.PAYSYS_BANK_ACCOUNTS
    if not isinstance(accounts, dict):
        return [checks.Error("PAYSYS_BANK_ACCOUNTS is no JSON object", id="paysys.E004")]
    return [
        checks.Error(f"PAYSYS_BANK_ACCOUNTS, {currency}: {text}", id="paysys.E004")
        for currency, account in accounts.items()
        for text in _wrong(currency, account)
    ]


def _wrong(currency: str, account: Any) -> Iterator[str]:
    if not is_currency(currency):
        yield "no currency"
    if not isinstance(account, dict) or not all(isinstance(text, str) for text in account.values()):
        yield "an object of texts"
        return
    if not account.get("holder"):
        yield "no holder"
    if not account.get("iban") and not account.get("account_number"):
        yield "neither iban nor account_number"
    if "iban" in account and not stdnum.iban.is_valid(account["iban"]):
        yield "its iban has a typing error"
    if "routing_number" in account and not stdnum.us.rtn.is_valid(account["routing_number"]):
        yield "its routing_number has a typing error"
