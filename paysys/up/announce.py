"""What is said when everything is up: one table to read, one file for programs."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from paysys.embedded.folder import CHECKOUT

from .plan import Plan, write_private

Rows = Sequence[tuple[str, str, str]]


def demo_facts(plan: Plan, seed: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """What a program needs to use the running demo. `env` is for `manage.py` commands."""
    return {
        "api_url": plan.web_url,
        "api_key": seed["merchants"][0]["api_key"],
        "console_url": f"{plan.web_url}/admin/",
        "logins": seed["logins"],
        "simulator_url": plan.simulator_url,
        "merchants": seed["merchants"],
        "env": dict(env),
    }


def write(plan: Plan, facts: Mapping[str, Any]) -> None:
    """`demo.json` in the data folder and a copy in the checkout: both hold secrets of the demo."""
    write_private(plan.data / "demo.json", facts)
    copy = CHECKOUT / "var"
    copy.mkdir(exist_ok=True)
    write_private(copy / "demo.json", facts)


def read_seed(plan: Plan) -> dict[str, Any]:
    seed: dict[str, Any] = json.loads((plan.data / "seed.json").read_text())
    return seed


def table(plan: Plan, facts: Mapping[str, Any]) -> str:
    """The facts for a person, aligned; the curl on lines of its own, so that it can be pasted."""
    logins: Rows = [("Login", who["username"], who["password"]) for who in facts["logins"]]
    keys: Rows = [("API key", one["name"], one["api_key"]) for one in facts["merchants"]]
    urls: Rows = [
        ("Web", "API", f"{plan.web_url}/v1"),
        ("Web", "API docs", f"{plan.web_url}/docs"),
        ("Web", "Console", facts["console_url"]),
        ("Web", "Simulator, Stripe", facts["simulator_url"]),
        ("Web", "Simulator, PayPal", plan.paypal_url),
    ]
    data: Rows = [
        ("Data", "Folder", str(plan.data)),
        ("Data", "Logs", str(plan.logs)),
        ("Data", "For programs", str(plan.data / "demo.json")),
    ]
    groups = [urls, logins, keys, data]
    widths = [max(len(row[i]) for rows in groups for row in rows) for i in range(3)]
    rule = "-" * (sum(widths) + 6)
    lines = [rule]
    for rows in groups:
        for number, (group, name, value) in enumerate(rows):
            first = group if number == 0 else ""
            lines.append(f" {first:<{widths[0]}}  {name:<{widths[1]}}  {value}")
        lines.append(rule)
    lines += [" Take a payment:", "", curl(plan, facts["api_key"]), "", rule]
    return "\n".join(lines)


def curl(plan: Plan, api_key: str) -> str:
    """A payment with a provider's test token; a new key each second, so that it can be repeated."""
    body = shlex.quote(json.dumps({"amount": 10000, "currency": "USD", "source": "pm_card_visa"}))
    return (
        f"curl {plan.web_url}/v1/payments \\\n"
        f"  -H 'Authorization: Bearer {api_key}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -H "Idempotency-Key: try-$(date +%s)" \\\n'
        f"  -d {body}"
    )
