"""A raw SMTP server that does exactly what a test scripts."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass
class Delivery:
    sender: str = ""
    recipient: str = ""
    content: bytes = b""
    connection: int = 0


@dataclass
class ScriptedSmtp:
    """`replies` maps a verb (GREETING, EHLO, MAIL, RCPT, DATA, END …) to a reply line.

    A list is used up reply by reply, then the server is friendly again. A reply of "" closes the
    connection, "silence" says nothing. `greets` is how many have to be connected before the first
    is greeted.
    """

    replies: dict[str, list[str]] = field(default_factory=dict)
    extensions: tuple[str, ...] = EXTENSIONS
    deliveries: list[Delivery] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    trickle_s: float = 0.0
    greets: int = 1

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._all_here = threading.Event()
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

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
                if self.connections >= self.greets:
                    self._all_here.set()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            delivery = Delivery(connection=number)
            self._all_here.wait(10)
            if not self._say(connection, "GREETING", "220 scripted ESMTP"):
                return
            for line in lines:
                verb = line[:4].strip().upper().decode("latin-1")
                self.verbs.append(verb)
                text = line.decode("utf-8").strip()
                if verb == "MAIL":
                    delivery = Delivery(sender=_path(text), connection=number)
                elif verb == "RCPT":
                    delivery.recipient = _path(text)
                said = self._say(connection, verb, self._friendly(verb))
                if not said:
                    return
                if verb == "QUIT":
                    return
                if verb == "DATA" and said.startswith("354"):
                    content = _content(lines)
                    if content is None:
                        return
                    delivery.content = content
                    self.deliveries.append(delivery)
                    if not self._say(connection, "END", "250 2.0.0 Ok: queued as ABC123"):
                        return

    def _friendly(self, verb: str) -> str:
        if verb == "EHLO":
            lines = ["scripted", *self.extensions]
            return "\r\n".join(
                f"250{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines)
            )
        known = {"DATA": "354 go on", "QUIT": "221 bye", "AUTH": "235 2.7.0 welcome"}
        return known.get(verb, "250 2.0.0 Ok")

    def _say(self, connection: socket.socket, verb: str, friendly: str) -> str:
        """What was said; an empty string when the connection is to end."""
        scripted = self.replies.get(verb)
        reply = scripted.pop(0) if scripted else friendly
        if reply == "silence":
            time.sleep(30)
        if not reply:
            return ""
        line = reply.encode() + b"\r\n"
        for piece in _one_by_one(line, self.trickle_s) if self.trickle_s else (line,):
            connection.sendall(piece)
        return "" if reply.startswith("421") else reply


def _one_by_one(content: bytes, pause_s: float) -> Iterator[bytes]:
    for at in range(len(content)):
        time.sleep(pause_s)
        yield content[at : at + 1]


def _path(command: str) -> str:
    return command.partition("<")[2].partition(">")[0]


def _content(lines: object) -> bytes | None:
    """What came before the dot; None when the connection ended before it."""
    received = []
    for line in lines:  # type: ignore[attr-defined]
        if line == b".\r\n":
            return b"".join(received)
        received.append(line[1:] if line.startswith(b".") else line)
    return None
