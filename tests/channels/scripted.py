"""A raw HTTP/1.1 server that does exactly what a test scripts, faults included."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

import orjson

Ending = Literal["keep", "close", "reset", "reset_before", "close_before", "silence"]


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    `ending`: keep the connection, close it after the answer, reset it after the answer, reset or
    close it instead of an answer, or say nothing at all. `trickle_s` is the pause between single
    bytes; `length` overrides Content-Length.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = "keep"
    delay_s: float = 0.0
    trickle_s: float = 0.0
    length: int | None = None

    def wire(self) -> bytes:
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} Scripted", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


def json_reply(status: int, value: object, *headers: tuple[str, str]) -> Reply:
    return Reply(status, orjson.dumps(value), (("Content-Type", "application/json"), *headers))


@dataclass
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> dict[str, object]:
        value = orjson.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass
class ScriptedServer:
    """Answers the scripted replies in order; the last one is repeated."""

    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    requests: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(2)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            for received in _requests(connection, number):
                with self._lock:
                    self.requests.append(received)
                    reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
                if not _answer(connection, reply):
                    return


def _answer(connection: socket.socket, reply: Reply) -> bool:
    """Whether the connection goes on."""
    time.sleep(reply.delay_s)
    if reply.ending == "silence":
        time.sleep(30)
    elif not reply.ending.endswith("_before"):
        for piece in _pieces(reply):
            connection.sendall(piece)
            time.sleep(reply.trickle_s)
    if reply.ending in ("reset", "reset_before"):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return reply.ending == "keep"


def _pieces(reply: Reply) -> Iterator[bytes]:
    wire = reply.wire()
    if not reply.trickle_s:
        yield wire
        return
    for at in range(len(wire)):
        yield wire[at : at + 1]


def _requests(connection: socket.socket, number: int) -> Iterator[Received]:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            more = connection.recv(65536)
            if not more:
                return
            buffer += more
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in map(_split, rest)}
        length = int(headers.get("content-length", 0))
        while len(buffer) < length:
            buffer += connection.recv(65536)
        yield Received(line, headers, buffer[:length], number)
        buffer = buffer[length:]


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")
