"""A door in front of a server of a test: while it is shut, nobody gets through, and nobody is answered."""

import select
import socket
import threading
from contextlib import closing, suppress
from typing import Self

_LOOK_S = 0.05


class Door:
    """Passes bytes between its own port and a server's, on loopback."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._let_in, name="door", daemon=True)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def shut(self) -> None:
        """Break what goes on, and refuse whoever comes."""
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def _let_in(self) -> None:
        self._listener.settimeout(_LOOK_S)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                visitor, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(visitor,), name="door-visitor", daemon=True).start()

    def _serve(self, visitor: socket.socket) -> None:
        with closing(visitor), suppress(OSError):
            if not self._open.is_set():
                return
            with closing(socket.create_connection(("127.0.0.1", self._behind))) as server:
                while self._open.is_set() and not self._ended.is_set():
                    for ready in select.select([visitor, server], [], [], _LOOK_S)[0]:
                        piece = ready.recv(65536)
                        if not piece:
                            return
                        (server if ready is visitor else visitor).sendall(piece)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._listener.close()
