"""A raw HTTP/2 server (prior knowledge, no TLS) that does exactly what a test scripts."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Literal, Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import orjson

Action = Literal[
    "answer", "refuse", "internal", "goaway", "goaway_and_close", "close", "reset", "silence"
]


@dataclass(frozen=True)
class H2Reply:
    """`refuse`: REFUSED_STREAM; `goaway`: GOAWAY whose last stream is below this one.

    After `goaway_and_close` the server hangs up at once.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    action: Action = "answer"


def h2_json(status: int, value: object, *headers: tuple[str, str]) -> H2Reply:
    return H2Reply(status, orjson.dumps(value), headers)


@dataclass
class H2Received:
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    stream: int

    def json(self) -> dict[str, object]:
        value = orjson.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass
class ScriptedH2Server:
    """Answers the scripted replies in order; the last one is repeated."""

    replies: list[H2Reply] = field(default_factory=lambda: [H2Reply()])
    requests: list[H2Received] = field(default_factory=list)
    max_streams: int = 100

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.connections = 0
        self.most_open_streams = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *replies: H2Reply) -> None:
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

    def next_reply(self) -> H2Reply:
        return self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)

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
                talk = _Talk(self, connection, self.connections)
            threading.Thread(target=talk.run, daemon=True).start()


class _Talk:
    def __init__(self, server: ScriptedH2Server, connection: socket.socket, number: int) -> None:
        self.server = server
        self.socket = connection
        self.number = number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.open: dict[int, H2Received] = {}

    def run(self) -> None:
        with contextlib.suppress(OSError), self.socket:
            limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.max_streams}
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=limit)
            self.h2.initiate_connection()
            self.socket.sendall(self.h2.data_to_send())
            while data := self.socket.recv(65536):
                for event in self.h2.receive_data(data):
                    if not self._take(event):
                        return
                self.socket.sendall(self.h2.data_to_send())

    def _take(self, event: h2.events.Event) -> bool:
        if isinstance(event, h2.events.RequestReceived):
            headers = {_text(name): _text(value) for name, value in event.headers}
            received = H2Received(headers[":path"], headers, b"", self.number, event.stream_id)
            self.open[event.stream_id] = received
            self.server.most_open_streams = max(self.server.most_open_streams, len(self.open))
        elif isinstance(event, h2.events.DataReceived):
            self.open[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            received = self.open.pop(event.stream_id)
            self.server.requests.append(received)
            return self._answer(event.stream_id, self.server.next_reply())
        return True

    def _answer(self, stream: int, reply: H2Reply) -> bool:
        """Whether the connection goes on."""
        if reply.action == "answer":
            headers = [(":status", str(reply.status)), *reply.headers]
            self.h2.send_headers(stream, headers, end_stream=not reply.body)
            if reply.body:
                self.h2.send_data(stream, reply.body, end_stream=True)
        elif reply.action == "refuse":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif reply.action == "internal":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        elif reply.action == "goaway":
            self.h2.close_connection(last_stream_id=max(0, stream - 2))
            self.socket.sendall(self.h2.data_to_send())
            self.socket.settimeout(0.3)  # as Apple does: the client may leave first
            with contextlib.suppress(TimeoutError):
                while self.socket.recv(65536):
                    pass
            return False
        elif reply.action == "goaway_and_close":
            self.h2.close_connection(last_stream_id=max(0, stream - 2))
            self.socket.sendall(self.h2.data_to_send())
        elif reply.action == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return reply.action not in ("goaway_and_close", "close", "reset")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
