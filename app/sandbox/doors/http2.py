"""HTTP/2 (RFC 9113) with prior knowledge: what a server needs, and what a test wants of it."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from app.sandbox.doors import header_block
from app.sandbox.doors.room import FAILED, Room, trickle
from app.sandbox.reply import Reply
from app.sandbox.web import within
from app.sandbox.wire import Request

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STREAMS: Final = 256
BODY_BYTES: Final = 64 * 1024 * 1024
_FRAME_BYTES: Final = 16_384
_WINDOW: Final = 4 * 1024 * 1024  # what a client may send before it hears of us
_FIRST_WINDOW: Final = 65_535
_LARGEST_WINDOW: Final = 2**31 - 1
_HEAD: Final = struct.Struct(">HBBBI")  # length in two parts, type, flags, stream

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _UPDATE, _MORE = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 1, 1, 4, 8, 32
_NO_ERROR, _PROTOCOL, _INTERNAL, _FLOW, _REFUSED, _COMPRESSION = 0, 1, 2, 3, 7, 9


class _WrongError(Exception):
    """The peer broke the rules: GOAWAY with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class _Stream:
    """One request and its answer; `left` waits for the peer's window."""

    window: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: list[bytes] = field(default_factory=list)
    received: int = 0
    asked: bool = False
    left: bytes = b""
    whole: bool = False


class Http2:
    """One connection."""

    def __init__(
        self,
        room: Room,
        transport: asyncio.Transport,
        break_off: Callable[[], None],
        max_streams: int,
    ) -> None:
        self._room = room
        self._transport = transport
        self._break_off = break_off
        self._max_streams = max_streams
        self._buffer = b""
        self._greeted = False
        self._reader = header_block.Reader()
        self._streams: dict[int, _Stream] = {}
        self._block: tuple[int, int, bytes] | None = None
        self._last = 0
        self._window = self._peer_window = _FIRST_WINDOW
        self._received = 0
        self._out: list[bytes] = [
            _frame(_SETTINGS, 0, 0, struct.pack(">HIHI", 3, max_streams, 4, _WINDOW)),
            _frame(_UPDATE, 0, 0, (_LARGEST_WINDOW - _FIRST_WINDOW).to_bytes(4, "big")),
        ]

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        if not self._greeted:
            at, self._greeted = len(PREFACE), True
        try:
            while len(buffer) - at >= 9:
                high, low, kind, flags, number = _HEAD.unpack_from(buffer, at)
                stop = at + 9 + (high << 8 | low)
                if stop - at > _FRAME_BYTES + 9:
                    raise _WrongError(6)
                if stop > len(buffer):
                    break
                self._take(kind, flags, number & _LARGEST_WINDOW, buffer[at + 9 : stop])
                at = stop
            self._buffer = buffer[at:]
        except _WrongError as wrong:
            self._go_away(self._last, wrong.code)
            self.flush()
            self._transport.close()
            return
        self.flush()

    def answer(self, ticket: int, answer: Reply) -> None:
        """See Visitor; tickets are the numbers of streams."""
        if answer.plain:
            self._send(ticket, answer, answer.answer.body)
        else:
            self._room.spawn(self._in_its_manner(ticket, answer))

    def failed(self, ticket: int) -> None:
        """See Visitor."""
        self.answer(ticket, FAILED)

    def flush(self) -> None:
        """See Visitor: all frames since the last time in one write."""
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._block is not None and kind != _MORE:
            raise _WrongError(_PROTOCOL)
        if kind == _HEADERS:
            block = _unpadded(flags, payload)
            self._on_headers(flags, number, block[5:] if flags & _PRIORITY else block)
        elif kind == _DATA:
            self._on_data(flags, number, payload)
        elif kind == _UPDATE:
            self._on_update(number, int.from_bytes(payload, "big"))
        elif kind == _SETTINGS and not flags & _ACK:
            self._on_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._out.append(_frame(_PING, _ACK, 0, payload))
        elif kind == _RST:
            self._streams.pop(number, None)
        elif kind == _MORE:
            self._on_more(flags, number, payload)

    def _on_headers(self, flags: int, number: int, block: bytes) -> None:
        if not flags & _END_HEADERS:
            self._block = number, flags, block
            return
        try:
            headers = self._reader.read(block)
        except header_block.BadBlockError as error:
            raise _WrongError(_COMPRESSION) from error
        stream = self._streams.get(number)
        if stream is None:
            if number % 2 == 0 or number <= self._last or not _is_request(headers):
                raise _WrongError(_PROTOCOL)
            self._last = number
            if len(self._streams) >= self._max_streams:
                self._reset(number, _REFUSED)
                return
            stream = self._streams[number] = _Stream(self._peer_window, headers)
        if flags & _END_STREAM:  # headers of a stream that is there are trailers
            self._call(number, stream)

    def _on_more(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != number:
            raise _WrongError(_PROTOCOL)
        _, first, block = self._block
        if len(block) > 4 * _FRAME_BYTES:
            raise _WrongError(_PROTOCOL)
        self._block = None
        self._on_headers(first | flags & _END_HEADERS, number, block + payload)

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        """Windows are opened again when a good part of them is used."""
        self._received += len(payload)
        if self._received > _LARGEST_WINDOW // 2:
            self._out.append(_frame(_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        stream = self._streams.get(number)
        if stream is None:
            return  # reset a moment ago
        part = _unpadded(flags, payload)
        stream.received += len(payload)
        if stream.received > BODY_BYTES:
            del self._streams[number]
            self._reset(number, _FLOW)
            return
        if not flags & _END_STREAM:
            stream.parts.append(part)
            if payload:  # a step of nothing is an error (RFC 9113, section 6.9)
                self._out.append(_frame(_UPDATE, 0, number, len(payload).to_bytes(4, "big")))
            return
        stream.body = b"".join((*stream.parts, part)) if stream.parts else part
        self._call(number, stream)

    def _on_update(self, number: int, step: int) -> None:
        if number == 0:
            self._window += step
            for name in list(self._streams):
                self._pump(name)
        elif number in self._streams:
            self._streams[number].window += step
            self._pump(number)

    def _on_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload) - 5, 6):
            name, value = struct.unpack_from(">HI", payload, at)
            if name == 4:
                for number, stream in list(self._streams.items()):
                    stream.window += value - self._peer_window
                    self._pump(number)
                self._peer_window = value
        self._out.append(_frame(_SETTINGS, _ACK, 0, b""))

    def _call(self, number: int, stream: _Stream) -> None:
        if stream.asked:
            raise _WrongError(_PROTOCOL)
        stream.asked = True
        headers = stream.headers
        path, _, query = headers[":path"].partition("?")
        path = unquote(path)
        request = Request(headers[":method"], within(path), headers, stream.body, query)
        self._room.take(self, number, path, request)

    def _send(self, number: int, reply: Reply, body: bytes) -> None:
        """Headers and the end of the stream, with what is to come before it."""
        if number not in self._streams:
            return  # the client has given it up
        if body:
            self._begin(number, reply)
            self._data(number, body, end=True)
        else:
            self._begin(number, reply, _END_STREAM)
            del self._streams[number]

    def _begin(self, number: int, reply: Reply, flags: int = 0) -> None:
        block = header_block.written(reply.answer.status, reply.headers())
        self._out.append(_frame(_HEADERS, flags | _END_HEADERS, number, block))

    def _data(self, number: int, part: bytes, *, end: bool = False) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.left += part
            stream.whole = end
            self._pump(number)

    def _pump(self, number: int) -> None:
        """Send as much as both windows allow."""
        stream = self._streams[number]
        while stream.left or stream.whole:
            size = max(0, min(len(stream.left), _FRAME_BYTES, stream.window, self._window))
            if not size and stream.left:
                return
            end = stream.whole and size == len(stream.left)
            part, stream.left = stream.left[:size], stream.left[size:]
            stream.window -= size
            self._window -= size
            self._out.append(_frame(_DATA, _END_STREAM if end else 0, number, part))
            if end:
                del self._streams[number]
                return

    async def _in_its_manner(self, number: int, reply: Reply) -> None:
        await asyncio.sleep(reply.wait)
        if not self._room.rough:
            await self._spread(number, reply, reply.cut_at)
        elif reply.raw == "goaway_unprocessed":
            self._go_away(number - 2, _NO_ERROR)
            await self._leave()
        elif reply.raw == "refused_stream":
            self._streams.pop(number, None)
            self._reset(number, _REFUSED)
        elif reply.raw in {"accept_then_reset", "reset"}:
            self._break_off()
        elif reply.raw == "goaway":
            await self._spread(number, reply, None)
            self._go_away(number, _NO_ERROR)
            await self._leave()
        else:
            await self._spread(number, reply, reply.cut_at)
        self.flush()

    async def _spread(self, number: int, reply: Reply, cut_at: int | None) -> None:
        def write(part: bytes) -> None:
            self._data(number, part)
            self.flush()

        if number not in self._streams:
            return
        self._begin(number, reply)
        self.flush()
        body = reply.answer.body[:cut_at]
        await trickle(write, body, reply.spread, bytewise=self._room.rough)
        if cut_at is None:
            self._data(number, b"", end=True)
            return
        await asyncio.sleep(0.05)  # let the half arrive before the end overtakes it
        self._streams.pop(number, None)
        if self._room.rough:
            self._break_off()
        else:
            self._reset(number, _INTERNAL)

    async def _leave(self) -> None:
        self.flush()
        await asyncio.sleep(0.05)
        self._transport.close()

    def _reset(self, number: int, code: int) -> None:
        self._out.append(_frame(_RST, 0, number, code.to_bytes(4, "big")))

    def _go_away(self, last: int, code: int) -> None:
        payload = struct.pack(">II", max(0, last), code) + b'{"reason":"Shutdown"}'
        self._out.append(_frame(_GOAWAY, 0, 0, payload))


def _frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, number) + payload


def _is_request(headers: dict[str, str]) -> bool:
    return headers.get(":path", "").startswith("/") and ":method" in headers


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise _WrongError(_PROTOCOL)
    return payload[1 : len(payload) - payload[0]]
