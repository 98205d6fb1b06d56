"""Files for the answer to a dispute: taken by what they are, kept unread, sent once, forgotten."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.core import ids
from apps.gateways.models import ProviderCall
from apps.payments.models import Dispute, DisputeFile
from apps.payments.services.evidence_files import harmless
from apps.payments.tests import truth
from apps.payments.tests.conftest import Merchant, finish_runs
from apps.payments.tests.objections import assert_whole, hear, only_dispute, open_dispute
from apps.payments.tests.test_dispute_answers import answer, code_of, disputed
from apps.payments.tests.test_erasure import erase, tables_with
from paysys.testing.simulator import Simulator

WORDS = "Xanthippe Quillfeather signed here"
PDF = b"%PDF-1.7\r\n--not a boundary\x00\xff\r\n" + WORDS.encode()
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\xff\xd8\xff\xe0" + bytes(300)


def give(
    merchant: Merchant,
    dispute_id: str,
    content: bytes = PDF,
    name: str = "proof.pdf",
    *,
    key: str | None = None,
    **more: Any,
) -> Any:
    return Client().post(
        f"/v1/disputes/{dispute_id}/files",
        {"file": SimpleUploadedFile(name, content), **more},
        headers={
            "Authorization": f"Bearer {merchant.api_key}",
            "Idempotency-Key": key or uuid4().hex,
        },
    )


def given(merchant: Merchant, dispute_id: str, *args: Any) -> str:
    told = give(merchant, dispute_id, *args)
    assert told.status_code == 201, told.content
    return str(told.json()["id"])


def name_them(merchant: Merchant, dispute_id: str, *, submit: bool = False, **files: str) -> Any:
    body = {"files": files, "submit": submit}
    return merchant.post(f"/v1/disputes/{dispute_id}/evidence", body)


def listed(merchant: Merchant, dispute_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = merchant.get(f"/v1/disputes/{dispute_id}/files").json()["data"]
    return found


class TestAFile:
    def test_is_kept_named_and_sent_once_byte_for_byte(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        told = give(merchant, dispute_id).json()
        assert told["sha256"] == sha256(PDF).hexdigest()
        assert (told["size"], told["content_type"]) == (len(PDF), "application/pdf")
        assert (told["filename"], told["purpose"], told["sent_at"]) == ("proof.pdf", None, None)
        photo = given(merchant, dispute_id, PNG, "photo.png")
        unnamed = given(merchant, dispute_id, JPEG, "other.jpg")
        assert simulator.files() == [], "kept is not sent"

        sent = name_them(
            merchant, dispute_id, submit=True, receipt=told["id"], uncategorized_file=photo
        )
        assert sent.status_code == 200, sent.content
        finish_runs()

        outside = simulator.find_dispute(reference)
        files = {file["id"]: file["sha256"] for file in simulator.files()}
        assert files == {
            outside["evidence"]["receipt"]: sha256(PDF).hexdigest(),
            outside["evidence"]["uncategorized_file"]: sha256(PNG).hexdigest(),
        }
        assert outside["evidence_details"]["submission_count"] == 1
        dispute = assert_whole(merchant, simulator, payment_id)
        assert truth.kinds_of(dispute.id)[1:] == [
            *("dispute.file_added",) * 3,
            *("dispute.evidence_submitted", "dispute.evidence_received"),
        ]
        shown = {file["id"]: file for file in listed(merchant, dispute_id)}
        assert shown[told["id"]]["sent_at"]
        assert (shown[unnamed]["purpose"], shown[unnamed]["sent_at"]) == (None, None)

    @pytest.mark.parametrize(
        ("fault", "files"),
        # A saved 500 spends its key: the file may be there, nobody names it, and it is sent again.
        [("reset_after", 1), ("timeout_after", 1), ("error_before", 1), ("error_after", 2)],
    )
    def test_whose_upload_was_lost_is_sent_again_and_the_answer_once(
        self, merchant: Merchant, simulator: Simulator, fault: str, files: int
    ) -> None:
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        file_id = given(merchant, dispute_id)
        simulator.fault("upload_file", fault)

        name_them(merchant, dispute_id, submit=True, receipt=file_id)
        finish_runs()
        truth.finish_everything()

        found = simulator.find_dispute(reference)
        assert found["evidence_details"]["submission_count"] == 1
        assert found["evidence"]["receipt"] == simulator.files()[-1]["id"]
        assert len(simulator.files()) == files
        assert assert_whole(merchant, simulator, payment_id).status == "UNDER_REVIEW"

    def test_that_the_provider_refuses_leaves_the_dispute_to_be_answered(
        self, merchant: Merchant, simulator: Simulator, monkeypatch: Any
    ) -> None:
        """Here one that was kept when more was taken: together they are too large for Stripe."""
        payment_id, dispute_id, reference = disputed(merchant, simulator)
        large = given(merchant, dispute_id, PDF + bytes(4_000_000))
        monkeypatch.setattr("apps.payments.services.evidence_files._require_room", lambda *_: None)
        more = given(merchant, dispute_id, PDF + bytes(600_000))

        name_them(merchant, dispute_id, submit=True, receipt=large, uncategorized_file=more)
        finish_runs()

        dispute = assert_whole(merchant, simulator, payment_id)
        assert (dispute.status, dispute.evidence_ordered_at) == ("NEEDS_RESPONSE", None)
        assert truth.kinds_of(dispute.id)[-1] == "dispute.evidence_refused"
        name_them(merchant, dispute_id, submit=True, receipt=large, uncategorized_file="")
        finish_runs()
        assert simulator.find_dispute(reference)["evidence_details"]["submission_count"] == 1

    def test_is_in_no_intent_no_event_and_nowhere_in_the_clear(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        file_id = given(merchant, dispute_id, PDF, "xanthippe.pdf")

        name_them(merchant, dispute_id, submit=True, receipt=file_id)
        finish_runs()

        upload = ProviderCall.objects.get(call="upload_receipt")
        assert upload.request["sha256"] == sha256(PDF).hexdigest()
        assert upload.request["files"] == {}
        for call in ProviderCall.objects.all():
            assert "xanthippe" not in json.dumps([call.request, call.result, call.message])
        assert tables_with(WORDS, PDF.hex()) == {}
        assert set(tables_with("xanthippe")) == {"idempotency_key"}, "until it is forgotten"

    def test_is_deleted_with_its_customer_and_then_not_sent(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        customer = merchant.post("/v1/customers", {"name": "Xanthippe"}).json()["id"]
        method = {"provider_token": "pm_card_visa", "customer": customer}
        card = merchant.post("/v1/payment_methods", method).json()["id"]
        payment_id = merchant.captured(10_000, card)
        open_dispute(simulator, payment_id)
        hear(simulator)
        dispute_id = ids.encode("dp", only_dispute(merchant).id)
        file_id = given(merchant, dispute_id, PDF, "xanthippe.pdf")
        assert name_them(merchant, dispute_id, submit=True, receipt=file_id).status_code == 200

        assert erase(merchant, customer).status_code == 200
        finish_runs()

        assert not DisputeFile.objects.exists()
        assert simulator.files() == []
        dispute = Dispute.objects.get()
        assert (dispute.evidence_ordered_at, dispute.status) == (None, "NEEDS_RESPONSE")
        assert tables_with("xanthippe") == {}
        truth.assert_nothing_is_left_over()


class TestNaming:
    def test_says_what_a_file_shows_and_takes_it_back(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        one, other = given(merchant, dispute_id), given(merchant, dispute_id, PNG)
        path = f"/v1/disputes/{dispute_id}/evidence"

        name_them(merchant, dispute_id, receipt=one, refund_policy=other)
        assert merchant.get(path).json()["files"] == {"receipt": one, "refund_policy": other}
        name_them(merchant, dispute_id, receipt=other, refund_policy="")

        assert merchant.get(path).json()["files"] == {"receipt": other}

    def test_deleting_one_takes_it_out_of_the_answer(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        payment_id, dispute_id, _ = disputed(merchant, simulator)
        file_id = given(merchant, dispute_id)
        name_them(merchant, dispute_id, receipt=file_id)
        url = f"/v1/disputes/{dispute_id}/files/{file_id}"
        headers = {"Authorization": f"Bearer {merchant.api_key}"}

        assert Client().delete(url, headers=headers).status_code == 200

        assert listed(merchant, dispute_id) == []
        assert code_of(Client().delete(url, headers=headers)) == (404, "resource_missing")
        assert_whole(merchant, simulator, payment_id)

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"receipt": "file_00000000000000000000000000"}, (404, "resource_missing")),
            ({"receipt": "pay_1"}, (404, "resource_missing")),
            ({"mood": "x"}, (400, "parameter_invalid")),
            ({"receipt": 7}, (400, "parameter_invalid")),
            ("all", (400, "parameter_invalid")),
        ],
    )
    def test_of_what_is_no_file_changes_nothing(
        self, merchant: Merchant, simulator: Simulator, files: Any, expected: Any
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        before = truth.counts()

        told = merchant.post(f"/v1/disputes/{dispute_id}/evidence", {"files": files})

        assert code_of(told) == expected
        assert truth.counts() == before

    def test_one_twice_or_another_disputes_changes_nothing(
        self, merchant: Merchant, simulator: Simulator
    ) -> None:
        _, dispute_id, _ = disputed(merchant, simulator)
        file_id = given(merchant, dispute_id)
        before = truth.counts()

        told = name_them(merchant, dispute_id, receipt=file_id, refund_policy=file_id)

        assert code_of(told) == (400, "parameter_invalid")
        assert truth.counts() == before


class TestWhatIsRefused:
    @pytest.fixture
    def dispute_id(self, merchant: Merchant, simulator: Simulator) -> str:
        return disputed(merchant, simulator)[1]

    def refused(self, told: Any, expected: tuple[int, str]) -> None:
        assert code_of(told) == expected
        assert not DisputeFile.objects.exists()

    @pytest.mark.parametrize(
        "content",
        [b"<html>", b" %PDF-1.7", b"GIF89a", b"PK\x03\x04", b"\x89PNG", b"MZ", WORDS.encode()],
    )
    def test_what_is_no_pdf_jpeg_or_png_whatever_it_is_called(
        self, merchant: Merchant, dispute_id: str, content: bytes
    ) -> None:
        told = give(merchant, dispute_id, content, "proof.pdf")
        self.refused(told, (422, "file_type_not_accepted"))

    def test_more_than_the_provider_takes(self, merchant: Merchant, dispute_id: str) -> None:
        told = give(merchant, dispute_id, PDF + bytes(4_500_000))
        self.refused(told, (422, "file_too_large"))
        assert told.json()["error"]["largest"] == 4_500_000

    def test_more_than_it_takes_together(self, merchant: Merchant, dispute_id: str) -> None:
        given(merchant, dispute_id, PDF + bytes(3_000_000))
        told = give(merchant, dispute_id, PNG + bytes(1_600_000))
        assert code_of(told) == (422, "file_too_large")
        assert told.json()["error"]["kept"] == len(PDF) + 3_000_000

    def test_more_than_anybody_takes_before_it_is_read(
        self, merchant: Merchant, dispute_id: str, monkeypatch: Any
    ) -> None:
        class Body:
            def read(self, *_: int) -> bytes:
                raise AssertionError("it was read")

            readline = read

        monkeypatch.setattr("apps.core.middleware.DRAIN_BYTES", 0)  # what is left, after the answer
        told = Client().generic(
            "POST",
            f"/v1/disputes/{dispute_id}/files",
            b"",
            headers={"Authorization": f"Bearer {merchant.api_key}", "Idempotency-Key": "k"},
            **{
                "CONTENT_LENGTH": "11000000",
                "CONTENT_TYPE": "multipart/form-data; boundary=x",
                "wsgi.input": Body(),
            },
        )
        self.refused(told, (413, "body_too_large"))

    def test_more_than_anybody_takes(self, merchant: Merchant, dispute_id: str) -> None:
        told = give(merchant, dispute_id, PDF + bytes(10 * 1024 * 1024))
        self.refused(told, (413, "body_too_large"))

    def test_an_empty_one(self, merchant: Merchant, dispute_id: str) -> None:
        self.refused(give(merchant, dispute_id, b""), (400, "parameter_invalid"))

    def test_anything_beside_it(self, merchant: Merchant, dispute_id: str) -> None:
        self.refused(give(merchant, dispute_id, note="x"), (400, "parameter_invalid"))
        second = SimpleUploadedFile("b.pdf", PDF)
        self.refused(give(merchant, dispute_id, second=second), (400, "parameter_invalid"))

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"--x", b"--x--\r\n", b"nonsense", b"--x\r\n\r\n%PDF-\r\n--x--\r\n"),
            # It ends before its boundary: whoever sent it went away.
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1',
        ],
    )
    def test_a_body_that_is_broken(self, merchant: Merchant, dispute_id: str, body: bytes) -> None:
        told = Client().generic(
            "POST",
            f"/v1/disputes/{dispute_id}/files",
            body,
            content_type="multipart/form-data; boundary=x",
            headers={"Authorization": f"Bearer {merchant.api_key}", "Idempotency-Key": "k"},
        )
        self.refused(told, (400, "parameter_invalid"))

    def test_json(self, merchant: Merchant, dispute_id: str) -> None:
        told = merchant.post(f"/v1/disputes/{dispute_id}/files", {"file": "x"})
        self.refused(told, (415, "media_type_unsupported"))

    def test_a_card_number_in_its_name(self, merchant: Merchant, dispute_id: str) -> None:
        told = give(merchant, dispute_id, PDF, "4242 4242 4242 4242.pdf")
        self.refused(told, (422, "card_data_not_allowed"))

    def test_one_for_another_merchants_dispute(
        self, other_merchant: Merchant, dispute_id: str
    ) -> None:
        self.refused(give(other_merchant, dispute_id), (404, "resource_missing"))
        url = f"/v1/disputes/{dispute_id}/files"
        assert other_merchant.get(url).status_code == 404

    def test_one_for_a_dispute_that_was_answered(self, merchant: Merchant, dispute_id: str) -> None:
        answer(merchant, dispute_id, uncategorized_text="x")
        self.refused(give(merchant, dispute_id), (409, "evidence_already_submitted"))

    def test_under_a_key_that_had_another(self, merchant: Merchant, dispute_id: str) -> None:
        first = give(merchant, dispute_id, key="one")
        again = give(merchant, dispute_id, key="one")
        assert again.content == first.content
        assert again.headers["Idempotent-Replayed"] == "true"

        other = give(merchant, dispute_id, PNG, key="one")

        assert code_of(other) == (422, "idempotency_key_reused")
        assert DisputeFile.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("proof.pdf", "proof.pdf"),
        ("proof.PDF.exe", "proof-PDF.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\temp\\my proof.pdf", "my-proof.pdf"),
        ('a"; filename="b\r\nX: y.pdf', "a-filename-b-X-y.pdf"),
        ("Überweisung №7.pdf", "berweisung-7.pdf"),
        ("...", "file.pdf"),
        ("", "file.pdf"),
        ("x" * 300, "x" * 80 + ".pdf"),
    ],
)
def test_a_name_is_made_harmless(name: str, expected: str) -> None:
    assert harmless(name, "pdf") == expected
