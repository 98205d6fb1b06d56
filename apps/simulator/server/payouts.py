"""Payouts: what is available leaves for the bank, and every line says with which payout it went."""

from . import charges, objects
from .store import Record
from .wire import Call, Json
from .world import World, touch


def pay_out(world: World, *, everything: bool = False) -> list[Json]:
    """One automatic payout per currency with a positive available balance, as every night.

    `everything` takes what is still pending too. Each line belongs to one payout, whole.
    """
    now = world.now()
    lines: dict[str, list[Record]] = {}
    for line in world.store.select("balance_transaction", "payout IS NULL AND type <> 'payout'"):
        if everything or line.body["available_on"] <= now:
            lines.setdefault(line.body["currency"], []).append(line)
    made = []
    for currency, group in sorted(lines.items()):
        amount = sum(line.body["net"] for line in group)
        if amount > 0:
            made.append(_payout(world, currency, amount, group))
    return made


def _payout(world: World, currency: str, amount: int, group: list[Record]) -> Json:
    payout_id, now = objects.new_id("po"), world.now()
    own = charges.balance(
        world, kind="payout", source=payout_id, currency=currency, amount=-amount, fee=0,
        available_on=now, category="payout", description="STRIPE PAYOUT",
    )  # fmt: skip
    for line in [*group, own]:
        line.facts["payout"] = payout_id
        touch(world, line, status="available")
    payout = world.add("payout", _body(payout_id, now, currency, amount, own.id))
    world.emit("payout.created", payout.body)
    world.later("payout_arrives", payout_id)
    return payout.body


def _body(payout_id: str, now: int, currency: str, amount: int, transaction: str) -> Json:
    return {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": now - now % 86_400 + 86_400,
        "automatic": True,
        "balance_transaction": transaction,
        "created": now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_simulatorBankAccount00001",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def arrive(world: World, payout: Record) -> None:
    if payout.body["status"] == "in_transit":
        touch(world, payout, status="paid")
        world.emit("payout.paid", payout.body)
        world.emit("payout.reconciliation_completed", payout.body)


def balance(world: World, _call: Call) -> Json:
    """What is on the account and not yet paid out, by currency."""
    now = world.now()
    sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for line in world.store.select("balance_transaction", "payout IS NULL"):
        side = sums["available" if line.body["available_on"] <= now else "pending"]
        side[line.body["currency"]] = side.get(line.body["currency"], 0) + line.body["net"]
    return {
        "object": "balance",
        **{name: [_amount(*pair) for pair in sorted(side.items())] for name, side in sums.items()},
        "livemode": False,
    }


def _amount(currency: str, amount: int) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "payout", param="payout").body
