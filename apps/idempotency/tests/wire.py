"""A wire between Django and PostgreSQL that can be cut at a chosen moment."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection


class Wire:
    """Carries bytes both ways. `cut_after(text)` lets the message that holds `text` through to the
    server and then cuts: before the answer, which the client never sees.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.server = server
        self.address = folder / server.name
        self.cuts = 0
        self.delivered = threading.Event()
        self._text: bytes | None = None
        self._waits_for_answer = True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.address))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut_after(self, text: str, *, waits_for_answer: bool = True) -> None:
        """`waits_for_answer`: the server has answered (and so committed) before the cut; without
        it, the client is cut off while the server is still at work.
        """
        self._text, self._waits_for_answer = text.encode(), waits_for_answer

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        carriers = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            carrier = threading.Thread(target=self._carry, args=(client,), daemon=True)
            carrier.start()
            carriers.append(carrier)
        for carrier in carriers:
            carrier.join(5)

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.server))
        is_armed = False
        with client, server:
            while True:
                for end in select.select([client, server], [], [])[0]:
                    try:
                        content = end.recv(65536)
                    except OSError:
                        return
                    if not content or (is_armed and end is server):
                        return
                    (server if end is client else client).sendall(content)
                    if end is client and self._text is not None and self._text in content:
                        self._text, is_armed = None, True
                        self.cuts += 1
                        if not self._waits_for_answer:
                            client.close()
                            # The server notices nothing: it works on and commits.
                            with suppress(OSError):
                                server.recv(65536)
                            self.delivered.set()
                            return


@contextmanager
def wired() -> Iterator[Wire]:
    """This thread's connection to the database goes over a wire; others go on as before."""
    options = connection.settings_dict["OPTIONS"]
    folder = options.get("host")
    assert folder, "the tests reach their server over a Unix socket"
    port = connection.settings_dict["PORT"] or 5432
    connection.close()
    with TemporaryDirectory(prefix="wire") as own_folder:
        wire = Wire(Path(own_folder), Path(folder) / f".s.PGSQL.{port}")
        connection.settings_dict["OPTIONS"] = {**options, "host": own_folder}
        try:
            connection.ensure_connection()
            yield wire
        finally:
            connection.close()
            connection.settings_dict["OPTIONS"] = options
            wire.close()
