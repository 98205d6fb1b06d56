"""Our answers to PayPal's disputes: texts as evidences with notes, all of it one multipart body.

PayPal has no fields for what can be said, but types of evidence: tracking information and refunds
stand in fields of their own, everything else is notes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from apps.gateways.types import AnswerRules, EvidenceFile, SubmitEvidenceRequest

MEGABYTE: Final = 1024 * 1024
# A question is answered by messages and offers, which are not built here. PayPal takes files of
# less than 10 MB, 50 MB of them in a call; a call has to end within its time, so here they are
# 10 MB together (developer.paypal.com/platforms/disputes/reference/supported-file-types-sizes).
RULES: Final = AnswerRules(
    inquiries=False, file_bytes=10 * MEGABYTE - 1, files_bytes=10 * MEGABYTE - 1
)
# The longest note, and the most refunds of one evidence.
NOTE_LENGTH: Final = 2_000
MOST_REFUNDS: Final = 100
_NOTED_AS: Final = {
    "product_description": "ITEM_DESCRIPTION",
    "refund_policy_disclosure": "RETURN_POLICY",
    "shipping_address": "DELIVERY_ADDRESS",
}
_SHOWN_AS: Final = {
    "receipt": "PROOF_OF_RECEIPT_COPY",
    "customer_signature": "PROOF_OF_DELIVERY_SIGNATURE",
    "shipping_documentation": "ADDITIONAL_PROOF_OF_SHIPMENT",
    "service_documentation": "PROOF_FOR_SOFTWARE_OR_SERVICE_DELIVERED",
    "refund_policy": "RETURN_POLICY",
}
_FILE: Final = "evidence-file"
_OTHER: Final = "OTHER"
# Said in `tracking_info`; without a number to track they are notes as well.
_TRACKED: Final = ("shipping_tracking_number", "shipping_carrier")
# The carriers whose names are PayPal's own words for them; any other is told in full.
_CARRIERS: Final = frozenset(
    {"ARAMEX", "DHL", "DPD", "FEDEX", "GLS", "HERMES", "ROYAL_MAIL", "TNT", "UPS", "USPS", "YODEL"}
)


@dataclass(frozen=True)
class Body:
    """What is posted: its bytes hold the boundary that the content type names."""

    content: bytes
    content_type: str


def evidence(request: SubmitEvidenceRequest) -> Body:
    """The body of `provide-evidence`: each file is a document of an evidence of its own."""
    files = {f"{purpose}-{file.name}": file for purpose, file in sorted(request.files.items())}
    documents = [
        {
            "evidence_type": _SHOWN_AS.get(name.partition("-")[0], _OTHER),
            "documents": [{"name": name}],
        }
        for name in files
    ]
    told = [*_shipping(request), *_refunds(request), *_notes(request), *documents]
    return _body({"evidences": told}, files)


def acceptance() -> Body:
    """The body of `accept-claim`: the payer gets all of it, and has to send nothing back."""
    return _body({"note": "The merchant accepts the claim.", "accept_claim_type": "REFUND"})


def _shipping(request: SubmitEvidenceRequest) -> Iterator[dict[str, Any]]:
    number, carrier = (request.evidence.get(name, "") for name in _TRACKED)
    if not number:
        return
    word = carrier.strip().upper().replace(" ", "_")
    known = {"carrier_name": word}
    if word not in _CARRIERS:
        known = {"carrier_name": _OTHER, "carrier_name_other": carrier or "not named"}
    tracking = {**known, "tracking_number": number}
    yield {
        "evidence_type": "PROOF_OF_FULFILLMENT",
        "evidence_info": {"tracking_info": [tracking]},
    }


def _refunds(request: SubmitEvidenceRequest) -> Iterator[dict[str, Any]]:
    if request.refund_references:
        ids = list(request.refund_references[:MOST_REFUNDS])
        yield {"evidence_type": "PROOF_OF_REFUND", "evidence_info": {"refund_ids": ids}}


def _notes(request: SubmitEvidenceRequest) -> Iterator[dict[str, Any]]:
    """All texts of one type together, in as many notes as they need."""
    is_tracked = bool(request.evidence.get(_TRACKED[0]))
    said: dict[str, list[str]] = {}
    for name, text in sorted(request.evidence.items()):
        if not (is_tracked and name in _TRACKED):
            words = name.replace("_", " ").capitalize()
            said.setdefault(_NOTED_AS.get(name, _OTHER), []).append(f"{words}: {text}")
    for kind, texts in said.items():
        whole = "\n".join(texts)
        for start in range(0, len(whole), NOTE_LENGTH):
            yield {"evidence_type": kind, "notes": whole[start : start + NOTE_LENGTH]}


def _body(told: Mapping[str, Any], files: Mapping[str, EvidenceFile] | None = None) -> Body:
    """As PayPal takes it: JSON in the part `input`, and files."""
    said = RequestField("input", json.dumps(told).encode())
    said.make_multipart(content_type="application/json")
    fields = [said]
    for name, file in (files or {}).items():
        document = RequestField(_FILE, file.content, filename=name)
        document.make_multipart(content_type=file.content_type)
        fields.append(document)
    content, content_type = encode_multipart_formdata(fields)
    return Body(content, content_type)
