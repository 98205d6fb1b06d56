"""What `up` is asked for: ports, folders, secrets, and from them every process's environment."""

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paysys.embedded.folder import data_folder, make_folder


class CannotStart(Exception):
    """`up` gives up; the message says why and what would help."""


@dataclass(frozen=True)
class Plan:
    data: Path
    port: int
    simulator_port: int
    secrets: Mapping[str, str]

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def paypal_url(self) -> str:
        return f"{self.simulator_url}/paypal"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def environment(self, *, database: str, owner: str, redis: str) -> dict[str, str]:
        """What a process (or a `manage.py` command of yours) needs to join the running stack."""
        stripe_key = os.environ.get("STRIPE_API_KEY", "")
        paypal_client = os.environ.get("PAYPAL_CLIENT_ID", "")
        return {
            "PAYSYS_MODE": "test",
            "PAYSYS_DATA": str(self.data),
            "DATABASE_URL": database,
            "DATABASE_OWNER_URL": owner,
            "REDIS_URL": redis,
            "STATIC_ROOT": str(self.data / "static"),
            "PAYSYS_PUBLIC_URL": self.web_url,
            # The demo's webhooks may go to a sink on this machine.
            "PAYSYS_WEBHOOK_LOOPBACK": "1",
            "PAYSYS_RELEASE_SECONDS": "20",  # so that what was just paid can be paid out
            # Without a key of Stripe's, Stripe is the simulator; so is PayPal without a client.
            "STRIPE_API_KEY": stripe_key,
            "STRIPE_API_BASE": os.environ.get("STRIPE_API_BASE")
            or ("" if stripe_key else self.simulator_url),
            "PAYPAL_CLIENT_ID": paypal_client,
            "PAYPAL_API_BASE": os.environ.get("PAYPAL_API_BASE")
            or ("" if paypal_client else self.paypal_url),
            **{name: self.secrets[name] for name in GENERATED if name.isupper()},
        }


def _token() -> str:
    return secrets.token_urlsafe(32)


# Lower case: for `up` itself, not part of the environment of others.
GENERATED = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "PAYSYS_FIELD_KEYS": lambda: f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    "PAYSYS_KEY_PEPPER": _token,
    "STRIPE_WEBHOOK_SECRETS": lambda: f"whsec_{secrets.token_hex(24)}",
    "redis_password": _token,
}


def make() -> Plan:
    """The plan of this environment: `PORT`, `SIMULATOR_PORT`, `PAYSYS_DATA`, and what is secret.

    :raises CannotStart: a port is no number.
    """
    data = data_folder()
    make_folder(data / "logs")
    port = _port("PORT", 8000)
    return Plan(
        data=data,
        port=port,
        simulator_port=_port("SIMULATOR_PORT", port + 1),
        secrets=persistent_secrets(data / "secrets.json"),
    )


def persistent_secrets(file: Path) -> dict[str, str]:
    """The secrets of this data folder, made on first use; one in the environment goes before.

    They outlive a restart: sessions, stored fields and API keys are read with them.
    """
    kept = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: generate() for name, generate in GENERATED.items() if name not in kept}
    if missing:
        write_private(file, kept | missing)
    return {name: os.environ.get(name) or value for name, value in (kept | missing).items()}


def write_private(file: Path, content: object) -> None:
    """Write JSON that only this user can read, whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(file)


def refuse_taken_ports(plan: Plan) -> None:
    """:raises CannotStart: somebody else listens where we would."""
    for name, port in (("PORT", plan.port), ("SIMULATOR_PORT", plan.simulator_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise CannotStart(
                    f"port {port} is taken: choose another, e.g. make run {name}={port + 10}"
                ) from None


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise CannotStart(f"{name} is a port number, not {text!r}")
    return int(text)
