"""Every operation of Stripe's that this simulator answers, on one screen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import banks, disputes, files, intents, lists, methods, payouts, refunds, singles
from .schema import params_of
from .wire import Call, Json
from .world import World

Operation = Callable[[World, Call], Json]


@dataclass(frozen=True, slots=True)
class Route:
    op: str
    params: type
    run: Operation


_TABLE = (
    # method, collection, with an id, verb; op; the SDK's parameters; what it does
    ("POST", "payment_intents", "", "create", "payment_intent_create", intents.create),
    ("GET", "payment_intents", "", "list", "payment_intent_list", "payment_intent"),
    ("GET", "payment_intents", "id", "retrieve", "payment_intent_retrieve", intents.retrieve),
    ("POST", "payment_intents", "id", "update", "payment_intent_update", intents.update),
    ("POST", "payment_intents", "confirm", "confirm", "payment_intent_confirm", intents.confirm),
    ("POST", "payment_intents", "capture", "capture", "payment_intent_capture", intents.capture),
    ("POST", "payment_intents", "cancel", "cancel", "payment_intent_cancel", intents.cancel),
    ("POST", "refunds", "", "refund", "refund_create", refunds.create),
    ("GET", "refunds", "", "list_refunds", "refund_list", "refund"),
    ("GET", "refunds", "id", "retrieve_refund", "refund_retrieve", refunds.retrieve),
    ("GET", "charges", "", "list_charges", "charge_list", "charge"),
    ("GET", "charges", "id", "retrieve_charge", "charge_retrieve", singles.charge),
    ("POST", "payment_methods", "", "create_method", "payment_method_create", methods.create),
    ("GET", "payment_methods", "id", "retrieve_method", "payment_method_retrieve",
     methods.retrieve),
    ("POST", "payment_methods", "attach", "attach", "payment_method_attach", methods.attach),
    ("POST", "payment_methods", "detach", "detach", "payment_method_detach", methods.detach),
    ("POST", "customers", "", "create_customer", "customer_create", methods.create_customer),
    ("GET", "customers", "id", "retrieve_customer", "customer_retrieve",
     methods.retrieve_customer),
    ("GET", "disputes", "", "list_disputes", "dispute_list", "dispute"),
    ("GET", "disputes", "id", "retrieve_dispute", "dispute_retrieve", disputes.retrieve),
    ("POST", "disputes", "id", "submit_evidence", "dispute_update", disputes.update),
    ("POST", "disputes", "close", "accept_dispute", "dispute_close", disputes.close),
    ("POST", "files", "", "upload_file", "file_create", files.create),
    ("GET", "files", "id", "retrieve_file", "file_retrieve", files.retrieve),
    ("GET", "balance_transactions", "", "list_lines", "balance_transaction_list",
     "balance_transaction"),
    ("GET", "balance_transactions", "id", "retrieve_line", "balance_transaction_retrieve",
     singles.balance_transaction),
    ("GET", "balance", "", "balance", "balance_retrieve", payouts.balance),
    ("POST", "accounts", "external_accounts", "add_bank", "account_external_account_create",
     banks.create),
    ("POST", "payouts", "", "pay_out", "payout_create", payouts.create),
    ("GET", "payouts", "", "list_payouts", "payout_list", "payout"),
    ("GET", "payouts", "id", "retrieve_payout", "payout_retrieve", payouts.retrieve),
    ("GET", "events", "", "list_events", "event_list", "event"),
    ("GET", "events", "id", "retrieve_event", "event_retrieve", singles.event),
)  # fmt: skip


def _route(op: str, module: str, run: Operation | str) -> Route:
    name = "".join(word.title() for word in module.split("_")) + "Params"
    if isinstance(run, str):
        run = partial(lists.page, kind=run)
    return Route(op, params_of(module, name), run)


ROUTES: dict[tuple[str, str, str], Route] = {
    (method, collection, verb): _route(op, module, run)
    for method, collection, verb, op, module, run in _TABLE
}


def find(method: str, path: str) -> tuple[Route, str] | None:
    """`("POST", "/v1/payment_intents/pi_1/capture")` → its route and `pi_1`."""
    parts = path.strip("/").split("/")
    if not 2 <= len(parts) <= 4 or parts[0] != "v1":
        return None
    verb = ("", "id", parts[-1])[len(parts) - 2]
    route = ROUTES.get((method, parts[1], verb)) if len(parts) == 4 or verb in ("", "id") else None
    return (route, parts[2] if len(parts) > 2 else "") if route else None
