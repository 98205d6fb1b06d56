"""Files: taken as multipart, kept as a name, a size and a hash; named by an answer to a dispute."""

from . import multipart, objects
from .wire import Call, Json, StripeError
from .world import World

EVIDENCE = "dispute_evidence"
LARGEST = 5 * 1024 * 1024
# All files of one answer together.
TOGETHER = 4_500_000
_TYPES = {b"%PDF-": "pdf", b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


def read(call: Call) -> Json:
    """The fields of a multipart body; of its file, the hash stands for the content.

    :raises StripeError: 400, it is not one, or its file is none that Stripe takes.
    """
    try:
        parts = multipart.read(call.headers.get("content-type", ""), call.body)
    except ValueError as reason:
        raise StripeError(400, "Invalid request body.") from reason
    given: Json = {}
    for part in parts:
        if not part.filename:
            given[part.name] = part.content.decode()
            continue
        kind = next((t for head, t in _TYPES.items() if part.content.startswith(head)), None)
        if kind is None or len(part.content) > LARGEST:
            raise StripeError(400, "This file is not supported.", param=part.name)
        call.files.append({**part.facts(), "type": kind})
        given[part.name] = call.files[-1]["sha256"]
    return given


def create(world: World, call: Call) -> Json:
    if call.params["purpose"] != EVIDENCE or len(call.files) != 1:
        raise StripeError(400, "Only evidence for disputes is taken here.", param="purpose")
    [told] = call.files
    file_id = objects.new_id("file")
    body = {
        "id": file_id,
        "object": "file",
        "created": world.now(),
        "expires_at": None,
        "filename": told["filename"],
        "links": {"object": "list", "data": [], "has_more": False,
                  "url": f"/v1/file_links?file={file_id}"},
        "purpose": EVIDENCE,
        "size": told["size"],
        "title": None,
        "type": told["type"],
        "url": f"{world.config.base_url}/v1/files/{file_id}/contents",
    }  # fmt: skip
    return world.add("file", body, {"sha256": told["sha256"]}).body


def retrieve(world: World, call: Call) -> Json:
    return world.get(call.object_id, "file", param="file").body


def book(world: World) -> list[Json]:
    """Every file with its hash, oldest first: the proof that these very bytes came, and once."""
    return [file.body | {"sha256": file.facts["sha256"]} for file in world.store.select("file")]


def require_evidence(world: World, named: Json) -> None:
    """:raises StripeError: 400, no such file of evidence, or too much of it together."""
    size = 0
    for param, file_id in named.items():
        file = world.get(str(file_id), "file", param=f"evidence[{param}]", status=400)
        size += file.body["size"]
    if size > TOGETHER:
        raise StripeError(400, "The files exceed the limit of a dispute.", param="evidence")
