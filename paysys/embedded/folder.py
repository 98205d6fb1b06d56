"""Where a checkout keeps its data: one folder per user and checkout, outside the tree."""

import hashlib
import os
import stat
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent


class UnsafeFolder(Exception):
    """The data folder belongs to somebody else, who could then read or replace what is in it."""


def data_folder() -> Path:
    """`$PAYSYS_DATA`, or a folder of this user and this checkout under /var/tmp.

    Not the home folder: as root the database runs as another user, who could not get there without
    the home folder being opened to everybody. Two checkouts never share a folder.
    """
    chosen = os.environ.get("PAYSYS_DATA")
    if chosen:
        return make_folder(Path(chosen).absolute())
    ours = make_folder(Path("/var/tmp") / f"paysys-{os.getuid()}")  # noqa: S108
    _refuse_foreign(ours)
    return make_folder(ours / hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8])


def make_folder(path: Path) -> Path:
    """The folder, made if need be: others may pass through it (the database's user must), not look.

    An existing folder keeps its mode: it may be somebody's own choice.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(0o711)
    return path


def _refuse_foreign(path: Path) -> None:
    """:raises UnsafeFolder: /var/tmp is everybody's, and somebody was there before us."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafeFolder(f"{path} is not a folder of this user; set PAYSYS_DATA to another place")
