"""A client of the PayPal personality that speaks bare HTTP, and orders in every state."""

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

USD = {"currency_code": "USD", "value": "10.00"}
DOCUMENT = ("evidence-file", "proof.pdf", "application/pdf", b"%PDF-1.4 proof")
EVIDENCE = {
    "evidences": [
        {"evidence_type": "OTHER", "notes": "It came.", "documents": [{"name": "proof.pdf"}]}
    ]
}
CLIENT = ("simulator_client", "simulator_secret")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def issue(self) -> str:
        """What PayPal says is wrong: the issue, or the error's name."""
        return self.json["details"][0]["issue"] if self.json.get("details") else self.json["name"]


class Shop:
    def __init__(self, simulator):
        self.simulator = simulator
        self.host = urlsplit(simulator.url).netloc
        self.token = ""

    # --- HTTP

    def send(self, method, path, body=None, **headers):
        """Headers by name, underscores for dashes; the answer whatever it is."""
        line = http.client.HTTPConnection(self.host, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, "/paypal" + path, body, sent)
        answer = line.getresponse()
        found = Answer(answer.status, dict(answer.headers), answer.read())
        line.close()
        return found

    def sign_in(self, client=CLIENT, grant="client_credentials"):
        basic = base64.b64encode(":".join(client).encode()).decode()
        form = urlencode({"grant_type": grant})
        answer = self.send("POST", "/v1/oauth2/token", form, Authorization=f"Basic {basic}")
        self.token = answer.json.get("access_token", self.token)
        return answer

    def ask(self, method, path, body=None, *, key=None, prefer="return=representation", **more):
        if not self.token:
            self.sign_in()
        headers = {"Authorization": f"Bearer {self.token}", "Prefer": prefer, **more}
        if key:
            headers["PayPal_Request_Id"] = key
        if method == "POST":
            headers.setdefault("Content_Type", "application/json")
            if not isinstance(body, str | bytes):
                body = json.dumps({} if body is None else body)
        return self.send(method, path, body, **headers)

    # --- what a shop does

    def create(self, amount=USD, *, key=None, **unit):
        unit = {"amount": amount, **unit}
        order = {"intent": "AUTHORIZE", "purchase_units": [unit]}
        return self.ask("POST", "/v2/checkout/orders", order, key=key)

    def confirm(self, order, **experience):
        source = {"paypal": {"experience_context": experience}}
        path = f"/v2/checkout/orders/{order}/confirm-payment-source"
        return self.ask("POST", path, {"payment_source": source})

    def authorize(self, order, payer="payer_good", **more):
        source = {"payment_source": {"paypal": {"vault_id": payer}}} if payer else {}
        return self.ask("POST", f"/v2/checkout/orders/{order}/authorize", source, **more)

    def capture(self, authorization, amount=None, *, final=True, **more):
        told = {"final_capture": final, **({"amount": amount} if amount else {})}
        path = f"/v2/payments/authorizations/{authorization}/capture"
        return self.ask("POST", path, told, **more)

    def void(self, authorization):
        return self.ask("POST", f"/v2/payments/authorizations/{authorization}/void")

    def refund(self, capture, amount=None, **more):
        told = {"amount": amount} if amount else {}
        return self.ask("POST", f"/v2/payments/captures/{capture}/refund", told, **more)

    def say(self, dispute, action, told, *documents):
        """Something about a dispute, with files: (part, name, type, content) each."""
        parts = [("input", None, "application/json", json.dumps(told).encode()), *documents]
        line, body = b"--the line", b""
        for name, filename, kind, content in parts:
            shown = f'name="{name}"' + (f'; filename="{filename}"' if filename else "")
            head = f"Content-Disposition: form-data; {shown}\r\nContent-Type: {kind}\r\n\r\n"
            body += line + b"\r\n" + head.encode() + content + b"\r\n"
        return self.ask(
            "POST",
            f"/v1/customer/disputes/{dispute}/{action}",
            body + line + b"--\r\n",
            Content_Type="multipart/form-data; boundary=the line",
        )

    def order(self, order):
        return self.ask("GET", f"/v2/checkout/orders/{order}").json

    def authorized(self, payer="payer_good", **unit):
        """The ids of an order and of its authorization."""
        order = self.create(**unit).json["id"]
        made = self.authorize(order, payer).json
        return order, made["purchase_units"][0]["payments"]["authorizations"][0]["id"]

    def captured(self, payer="payer_good", **unit):
        """The ids of an order and of its capture."""
        order, authorization = self.authorized(payer, **unit)
        return order, self.capture(authorization).json["id"]

    def report(self, **asked):
        now = int(self.simulator.now())
        span = {"start_date": at(now - 30 * 86_400), "end_date": at(now)}
        return self.ask("GET", "/v1/reporting/transactions?" + urlencode({**span, **asked}))


def at(seconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
