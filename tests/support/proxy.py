"""A network between two programs, which can fail in one direction only."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536
_LOOK_SECONDS = 0.2


class Network:
    """Carries bytes between whoever connects to `port` and a server.

    While a direction is cut its bytes wait, as TCP sends lost packets again until they get through.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_LOOK_SECONDS)
        self._open = {"there": threading.Event(), "back": threading.Event()}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port = int(self._listener.getsockname()[1])
        self.heal()
        self._threads[0].start()

    def cut(self, direction: str) -> None:
        """Let nothing through: `there` is what the server should hear, `back` what it says."""
        self._open[direction].clear()

    def heal(self) -> None:
        """Let everything through, what waited first."""
        for direction in self._open.values():
            direction.set()

    def close(self) -> None:
        """Break every connection and take no more."""
        self._over.set()
        self.heal()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with self._listener:
            while not self._over.is_set():
                with suppress(TimeoutError):
                    client, _ = self._listener.accept()
                    thread = threading.Thread(target=self._connect, args=(client,), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._server) as server:
            ends = (server, client)
            back = threading.Thread(target=self._carry, args=(*ends, "back"), daemon=True)
            back.start()
            self._carry(client, server, "there")
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        source.settimeout(_LOOK_SECONDS)
        with suppress(OSError):
            while not self._over.is_set():
                try:
                    data = source.recv(_CHUNK)
                except TimeoutError:
                    continue
                if not data:
                    break
                self._open[direction].wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(host: str, port: int) -> Iterator[Network]:
    """A network to this server."""
    made = Network((host, port))
    try:
        yield made
    finally:
        made.close()
