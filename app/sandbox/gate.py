"""The gate: a second door for what a WSGI server cannot do on purpose.

It speaks the same wires over HTTP/1.1 and HTTP/2, more slowly, and can break a connection before
the first byte of an answer, refuse connections, send GOAWAY, refuse a stream, or allow one stream
at a time. Tests point a provider's base URL here when they need such a fault. It has no
certificate: who comes with TLS (`https://`, `smtps://`) is refused in the handshake.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Final

from app.sandbox.gate_http1 import Http1
from app.sandbox.gate_http2 import Http2
from app.sandbox.web import Web

STREAMS: Final = 100
_CLIENT_HELLO: Final = b"\x16\x03"
_HANDSHAKE_FAILURE: Final = bytes((21, 3, 3, 0, 2, 2, 40))  # a fatal alert, RFC 8446 §6.2
_PREFACE: Final = b"PRI * HTTP/2.0"


class Gate:
    """Listens in a thread of its own."""

    def __init__(self, web: Web, host: str, port: int) -> None:
        self.max_streams = STREAMS
        self._web = web
        self._address = (host, port)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[_Door] = set()

    def start(self) -> None:
        """Open the gate. Raises OSError when the port is taken."""
        self._loop.run_until_complete(self._listen())
        threading.Thread(target=self._loop.run_forever, daemon=True, name="gate").start()

    def refuse(self, seconds: float) -> None:
        """Break all connections and refuse new ones for a while; back when it is so."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._reopen_in, seconds)

    async def _listen(self) -> None:
        def door() -> _Door:
            return _Door(self._web, self._open, self.max_streams)

        self._server = await self._loop.create_server(door, *self._address, reuse_address=True)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for door in list(self._open):
            door.break_off()

    def _reopen_in(self, seconds: float) -> None:
        self._loop.call_later(seconds, lambda: self._loop.create_task(self._listen()))


class _Door(asyncio.Protocol):
    """One connection: the first bytes decide which HTTP it speaks."""

    def __init__(self, web: Web, open_doors: "set[_Door]", max_streams: int) -> None:
        self._web = web
        self._doors = open_doors
        self._max_streams = max_streams
        self._receive: Callable[[bytes], None] | None = None
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server gives no other
        self._transport = transport
        self._doors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See asyncio.Protocol."""
        self._doors.discard(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._receive is None:
            self._first += data
            if self._first.startswith(_CLIENT_HELLO):
                self._transport.write(_HANDSHAKE_FAILURE)
                self._transport.close()
                return
            if len(self._first) < len(_PREFACE):
                return
            data = self._first
            if data.startswith(_PREFACE):
                stream = Http2(self._web, self._transport, self.break_off, self._max_streams)
                self._receive = stream.receive
            else:
                self._receive = Http1(self._web, self._transport, self.break_off).receive
        self._receive(data)

    def break_off(self) -> None:
        """Close with RST instead of FIN."""
        sock = self._transport.get_extra_info("socket")
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
