"""A door: listens, and finds out by the first bytes which HTTP a connection speaks."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from app.sandbox.doors.http1 import Http1
from app.sandbox.doors.http2 import PREFACE, STREAMS, Http2
from app.sandbox.doors.room import Room

_BACKLOG: Final = 1024
_CLIENT_HELLO: Final = b"\x16\x03"
_HANDSHAKE_FAILURE: Final = bytes((21, 3, 3, 0, 2, 2, 40))  # a fatal alert, RFC 8446 §6.2


class Door:
    """One listening address; it has no certificate, TLS is refused in the handshake."""

    def __init__(self, room: Room, host: str, port: int) -> None:
        self.max_streams = STREAMS
        self._room = room
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def open(self) -> None:
        """Begin to listen. Raises OSError when the port is taken."""

        def connection() -> _Connection:
            return _Connection(self._room, self._connections, self.max_streams)

        self._server = await asyncio.get_running_loop().create_server(
            connection, *self._address, reuse_address=True, backlog=_BACKLOG
        )

    async def close(self) -> None:
        """Break all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.break_off()


class _Connection(asyncio.Protocol):
    def __init__(self, room: Room, connections: "set[_Connection]", max_streams: int) -> None:
        self._room = room
        self._connections = connections
        self._max_streams = max_streams
        self._receive: Callable[[bytes], None] = self._begin
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server gives no other
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See asyncio.Protocol."""
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._receive(data)

    def _begin(self, data: bytes) -> None:
        self._first += data
        if self._first.startswith(_CLIENT_HELLO):
            self._transport.write(_HANDSHAKE_FAILURE)
            self._transport.close()
            return
        if PREFACE.startswith(self._first[: len(PREFACE)]):
            if len(self._first) < len(PREFACE):
                return
            speech = Http2(self._room, self._transport, self.break_off, self._max_streams)
            self._receive = speech.receive
        else:
            self._receive = Http1(self._room, self._transport, self.break_off).receive
        self._receive(self._first)

    def break_off(self) -> None:
        """Close with RST instead of FIN."""
        sock = self._transport.get_extra_info("socket")
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
