"""The REST face of the files for answers to disputes: give, list, take back."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, OneFileParser, Upload, query_of
from apps.core.errors import InvalidRequest
from apps.gateways.types import FILE_PURPOSES
from apps.idempotency import services as idempotency
from apps.idempotency.types import RequestFacts
from apps.payments import answers, dispute_selectors, public
from apps.payments.api.disputes import DisputeShape
from apps.payments.api.requests import IDEMPOTENCY_KEY, caller_of
from apps.payments.models import Dispute, DisputeFile
from apps.payments.serializers import list_of
from apps.payments.services import dispute_orders, evidence_files

# The largest file that any provider takes. What the dispute's own takes is known later.
LARGEST = 10 * 1024 * 1024


class UploadForm(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="A PDF, a JPEG or a PNG, known by its content.")


class FileShape(serializers.Serializer[Any]):
    """A file for the answer to a dispute. Its content is not shown again."""

    id = serializers.CharField(help_text="file_…")
    object = serializers.ChoiceField(choices=["dispute_file"])
    dispute = serializers.CharField(help_text="dp_…")
    filename = serializers.CharField(help_text="Made harmless, with the ending of what it is.")
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField()
    purpose = serializers.ChoiceField(choices=FILE_PURPOSES, allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


FileList = list_of(FileShape, "DisputeFileList")


class DisputeFiles(ApiView):
    scopes = {"GET": "disputes:read", "POST": "disputes:write"}
    parser_classes = [OneFileParser]
    upload_bytes: ClassVar[int] = LARGEST

    @extend_schema(
        summary="List the files of a dispute, oldest first",
        operation_id="disputes_list_files",
        responses=FileList,
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        query_of(request, ())
        dispute = _get(request, dispute_id)
        files = evidence_files.list_files(book_id=dispute.book_id, dispute_id=dispute.id)
        return Response(
            {
                "object": "list",
                "data": [render_file(file) for file in files],
                "has_more": False,
                "url": f"/v1/disputes/{ids.encode('dp', dispute.id)}/files",
            }
        )

    @extend_schema(
        summary="Keep a file for the answer to a dispute",
        description="What it shows is said with the evidence, by its id.",
        operation_id="disputes_add_file",
        request={"multipart/form-data": UploadForm},
        responses={201: FileShape},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, dispute_id: str) -> HttpResponse:
        caller, dispute = caller_of(request), _get(request, dispute_id)
        upload = _upload_of(request)
        facts = RequestFacts.of(request, is_locking=True, about_id=dispute.payment_id)
        told = {"name": upload.name, "sha256": sha256(upload.content).hexdigest()}

        def create(file_id: UUID) -> DisputeFile:
            return dispute_orders.add_file(
                file_id=file_id,
                book_id=caller.book_id,
                dispute_id=dispute.id,
                name=upload.name,
                content=upload.content,
                actor=caller.actor,
                now=clock.now(),
            )

        def render(made: Any, is_taken_over: bool) -> answers.Answer:
            file = made
            if is_taken_over:
                of_dispute = {"book_id": caller.book_id, "dispute_id": dispute.id}
                file = evidence_files.get(**of_dispute, file_id=made)
            return 201, render_file(file), True

        return idempotency.run(replace(facts, body=told), create, render)


class OneDisputeFile(ApiView):
    scopes = {"DELETE": "disputes:write"}

    @extend_schema(
        summary="Forget a file that was not sent",
        operation_id="disputes_remove_file",
        request=None,
        responses=DisputeShape,
    )
    def delete(self, request: Request, dispute_id: str, file_id: str) -> Response:
        query_of(request, ())
        caller = caller_of(request)
        with transaction.atomic():
            dispute = dispute_orders.remove_file(
                file_id=ids.decode("file", file_id),
                book_id=caller.book_id,
                dispute_id=ids.decode("dp", dispute_id),
                actor=caller.actor,
                now=clock.now(),
            )
        return Response(public.render_dispute(dispute))


def render_file(file: DisputeFile) -> dict[str, Any]:
    """A file as it stands, without its content."""
    return {
        "id": ids.encode("file", file.id),
        "object": "dispute_file",
        "dispute": ids.encode("dp", file.dispute_id),
        "filename": evidence_files.name_of(file),
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "purpose": file.purpose or None,
        "sent_at": public.time(file.sent_at),
        "created_at": public.time(file.created_at),
    }


def _upload_of(request: Request) -> Upload:
    given: Any = request.data
    if "file" not in given:  # a request without a body reads as one that says nothing
        raise InvalidRequest("file: what is to be kept.", param="file")
    found: Upload = given["file"]
    return found


def _get(request: Request, dispute_id: str) -> Dispute:
    return dispute_selectors.get(caller_of(request).book_id, ids.decode("dp", dispute_id))
