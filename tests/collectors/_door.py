"""A way to a server that can be shut and opened: the destination that goes away and comes back."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.engines._process import free_ports


class Door:
    """A way to a server that can be shut."""

    def __init__(self, target: int) -> None:
        (self.port,) = free_ports(1)
        self._target = target
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def shut(self) -> None:
        assert self._listener is not None
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open = []

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(a, b), daemon=True).start()


def _pump(a: socket.socket, b: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := a.recv(1 << 16):
            b.sendall(data)
    for each in (a, b):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
