"""Files for the answer to a dispute: taken by what they are and not by what they are called, kept
encrypted, read when they are sent or when staff download one, and deleted with their customer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final, TypedDict
from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.audit import services as audit
from apps.core import crypto, ids
from apps.core.errors import Conflict, InvalidRequest, NotFound, Unprocessable
from apps.core.types import Actor
from apps.gateways.types import EvidenceFile, answer_rules
from apps.payments.models import Dispute, DisputeFile

TABLE: Final = "payments_dispute_file"
NAME, CONTENT = "name_encrypted", "content_encrypted"
# Of one dispute; an answer names one for each purpose.
MOST_FILES: Final = 20
# What a file is, by how it begins.
_KINDS: Final = (
    (b"%PDF-", "application/pdf", "pdf"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
)
_NAME_LENGTH: Final = 80


class FileNotAccepted(Unprocessable):
    """It is no PDF, JPEG or PNG, whatever it is called."""

    code = "file_type_not_accepted"
    says = "A file is a PDF, a JPEG or a PNG."


class FileTooLarge(Unprocessable):
    """The provider takes less, in a file or in all files of an answer together."""

    code = "file_too_large"
    says = "The provider of this dispute takes less than that."


class TooManyFiles(Conflict):
    code = "too_many_files"
    says = "A dispute keeps no more files: delete one."


def add(
    dispute: Dispute, *, file_id: UUID, name: str, content: bytes, now: datetime
) -> DisputeFile:
    """Keep a file. `name` is made harmless; of what it says to be nothing is believed.

    Transaction: the caller's, which has locked the dispute.

    :raises InvalidRequest: it is empty.
    :raises FileNotAccepted, FileTooLarge, TooManyFiles: see there.
    """
    if not content:
        raise InvalidRequest("file: it is empty.", param="file")
    content_type, ending = _kind_of(content)
    _require_room(dispute, len(content))
    row = DisputeFile(
        id=file_id,
        book_id=dispute.book_id,
        dispute=dispute,
        content_type=content_type,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        created_at=now,
    )
    row.name_encrypted = crypto.encrypt(harmless(name, ending), column=NAME, **_place(row))
    row.content_encrypted = crypto.encrypt_bytes(content, column=CONTENT, **_place(row))
    row.save(force_insert=True)
    return row


def remove(dispute: Dispute, *, file_id: UUID) -> None:
    """Forget a file that was not sent.

    Transaction: the caller's, which has locked the dispute.
    :raises NotFound: the dispute has no such file.
    """
    if not _files(dispute.book_id, dispute.id).filter(id=file_id).delete()[0]:
        raise _missing(file_id)


def name_them(dispute: Dispute, files: Mapping[str, UUID | None]) -> None:
    """Say what files show, by purpose; None takes a purpose's file out of the answer.

    Transaction: the caller's, which has locked the dispute.

    :raises NotFound: the dispute has no such file.
    :raises InvalidRequest: one file is named twice.
    """
    named = [file_id for file_id in files.values() if file_id is not None]
    if len(set(named)) != len(named):
        raise InvalidRequest("files: each is named once.", param="files")
    rows = _files(dispute.book_id, dispute.id)
    for wanted in named:
        if not rows.filter(id=wanted).exists():
            raise _missing(wanted)
    rows.filter(purpose__in=list(files)).update(purpose="")
    for purpose, file_id in files.items():
        if file_id is not None:
            rows.filter(id=file_id).update(purpose=purpose)


def list_files(*, book_id: UUID, dispute_id: UUID) -> list[DisputeFile]:
    """The files of a dispute without their content, oldest first."""
    return list(_files(book_id, dispute_id).defer(CONTENT).order_by("id"))


def get(*, book_id: UUID, dispute_id: UUID, file_id: UUID) -> DisputeFile:
    """One of them.

    :raises NotFound: the dispute has no such file.
    """
    found = _files(book_id, dispute_id).defer(CONTENT).filter(id=file_id).first()
    if found is None:
        raise _missing(file_id)
    return found


def hashes(*, book_id: UUID, dispute_id: UUID) -> dict[str, str]:
    """The files that the answer names, by purpose: what a frozen request knows of them."""
    named = _files(book_id, dispute_id).exclude(purpose="").order_by("purpose")
    return dict(named.values_list("purpose", "sha256"))


def read(
    *, book_id: UUID, dispute_id: UUID, wanted: Mapping[str, str]
) -> dict[str, EvidenceFile] | None:
    """The files of these purposes and hashes; None if one is not there any more, as after the
    customer's erasure."""
    rows = _files(book_id, dispute_id).filter(purpose__in=list(wanted))
    found = {row.purpose: opened(row) for row in rows}
    if {purpose: file.sha256 for purpose, file in found.items()} != dict(wanted):
        return None
    return found


def opened(row: DisputeFile) -> EvidenceFile:
    """The file itself."""
    content = crypto.decrypt_bytes(row.content_encrypted, column=CONTENT, **_place(row))
    return EvidenceFile(name=name_of(row), content_type=row.content_type, content=content)


def name_of(row: DisputeFile) -> str:
    return crypto.decrypt(row.name_encrypted, column=NAME, **_place(row))


def download(*, dispute_id: UUID, file_id: UUID, actor: Actor, now: datetime) -> EvidenceFile:
    """A file for somebody of the staff, who is in the trail for it.

    Transaction: the caller's.
    :raises NotFound: the dispute has no such file.
    """
    row = DisputeFile.objects.filter(dispute_id=dispute_id, id=file_id).first()
    if row is None:
        raise _missing(file_id)
    audit.record(
        book_id=row.book_id,
        actor=actor,
        action="dispute_file.downloaded",
        subject_id=row.id,
        subject_kind="dispute_file",
        facts={"dispute": str(dispute_id)},
        now=now,
    )
    return opened(row)


def forget(files: QuerySet[DisputeFile]) -> set[UUID]:
    """Delete these files; the ids of the payments that they were about."""
    paid: Collection[UUID] = files.values_list("dispute__payment_id", flat=True)
    about = set(paid)
    files.delete()
    return about


def harmless(name: str, ending: str) -> str:
    """A name of letters, digits, dashes and underscores, with the ending of what the file is.

    PayPal takes no others, and no path, quote or second ending comes through.
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name.replace("\\", "/").rpartition("/")[2])
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:_NAME_LENGTH]
    return f"{kept or 'file'}.{ending}"


class _Place(TypedDict):
    table: str
    row_id: UUID
    book_id: UUID


def _place(row: DisputeFile) -> _Place:
    """Where a token of this row belongs, but for its column."""
    return {"table": TABLE, "row_id": row.id, "book_id": row.book_id}


def _kind_of(content: bytes) -> tuple[str, str]:
    for beginning, content_type, ending in _KINDS:
        if content.startswith(beginning):
            return content_type, ending
    raise FileNotAccepted(param="file")


def _require_room(dispute: Dispute, size: int) -> None:
    rules = answer_rules(dispute.provider)
    rows = _files(dispute.book_id, dispute.id)
    kept = rows.aggregate(size=Sum("size"))["size"] or 0
    if size > rules.file_bytes or kept + size > rules.files_bytes:
        raise FileTooLarge(
            param="file",
            largest=rules.file_bytes,
            largest_together=rules.files_bytes,
            kept=kept,
        )
    if rows.count() >= MOST_FILES:
        raise TooManyFiles


def _files(book_id: UUID, dispute_id: UUID) -> QuerySet[DisputeFile]:
    return DisputeFile.objects.filter(book_id=book_id, dispute_id=dispute_id)


def _missing(file_id: UUID) -> NotFound:
    return NotFound(f"No such file: {ids.encode('file', file_id)}.", param="file")
