"""Bodies of `multipart/form-data`: fields and files, as both companies' interfaces take them."""

import hashlib
import re
from dataclasses import dataclass

from .wire import Json

_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="([^"]*)"')
_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([^";]{1,200})"?')


@dataclass(frozen=True, slots=True)
class Part:
    """One part; a file has a `filename`."""

    name: str
    filename: str
    content_type: str
    content: bytes

    def facts(self) -> Json:
        """What the book keeps of a file: enough to prove that these very bytes came."""
        return {
            "filename": self.filename,
            "size": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


def read(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body, in their order.

    :raises ValueError: it is not one.
    """
    found = _BOUNDARY.fullmatch(content_type.strip())
    if not found:
        raise ValueError("no boundary")
    line = b"--" + found[1].encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    if len(pieces) < 3 or pieces[0] or pieces[-1].strip() != b"--":
        raise ValueError("does not end")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, blank, content = piece.partition(b"\r\n\r\n")
    if not blank:
        raise ValueError("a part without an end of its head")
    lines = (line.partition(":") for line in head.decode().split("\r\n") if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    told = headers.get("content-disposition", "")
    name, filename = _NAME.search(told), _FILENAME.search(told)
    if not name:
        raise ValueError("a part without a name")
    return Part(name[1], filename[1] if filename else "", headers.get("content-type", ""), content)
