"""HTTP/1.1 (RFC 9112): requests with a Content-Length or in chunks, one after the other."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from app.sandbox.doors.room import FAILED, Room, trickle
from app.sandbox.reply import Reply
from app.sandbox.web import status_line, within
from app.sandbox.wire import Answer, Request

HEAD_BYTES: Final = 64 * 1024
BODY_BYTES: Final = 64 * 1024 * 1024
_END: Final = b"\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class _BadRequestError(ValueError):
    """It cannot be understood: 400, and the connection ends."""


class _Head(NamedTuple):
    """Everything before the body; `length` is -1 when it comes in chunks."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    lasting: bool
    asks: bool


class Http1:
    """One connection."""

    def __init__(
        self, room: Room, transport: asyncio.Transport, break_off: Callable[[], None]
    ) -> None:
        self._room = room
        self._transport = transport
        self._break_off = break_off
        self._buffer = bytearray()
        self._wanted = 0
        self._told = False
        self._busy = False
        self._lasting = True
        self._bare = False

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        self._buffer += data
        if not self._busy and len(self._buffer) >= self._wanted:
            self._take_one()

    def answer(self, ticket: int, answer: Reply) -> None:  # noqa: ARG002
        """See Visitor."""
        if answer.plain:
            self._write(_head(answer, self._lasting) + (b"" if self._bare else answer.answer.body))
            self._next()
        else:
            self._room.spawn(self._in_its_manner(answer))

    def failed(self, ticket: int) -> None:
        """See Visitor."""
        self.answer(ticket, FAILED)

    def flush(self) -> None:
        """See Visitor."""

    def _take_one(self) -> None:
        """The next request, when all of it is there."""
        try:
            end = self._buffer.find(_END)
            if end < 0 or end > HEAD_BYTES:
                if len(self._buffer) > HEAD_BYTES:
                    raise _BadRequestError
                return
            head = _parse(bytes(self._buffer[:end]))
            start = end + len(_END)
            body, stop = self._body(head, start)
        except ValueError:
            self._refuse()
            return
        if body is None:
            self._wanted = stop
            if head.asks and not self._told:
                self._told = True
                self._transport.write(_CONTINUE)
            return
        del self._buffer[:stop]
        self._wanted, self._told, self._busy = 0, False, True
        self._lasting, self._bare = head.lasting, head.method == "HEAD"
        request = Request(head.method, within(head.path), head.headers, body, head.query)
        self._room.take(self, 0, head.path, request)

    def _body(self, head: _Head, start: int) -> tuple[bytes | None, int]:
        """The body and where it ends; without a body, how many bytes there have to be first."""
        if head.length < 0:
            return _chunks(self._buffer, start)
        stop = start + head.length
        if len(self._buffer) < stop:
            return None, stop
        return bytes(memoryview(self._buffer)[start:stop]), stop

    def _refuse(self) -> None:
        self._lasting = False
        self._write(_head(Reply(Answer(400)), lasting=False))
        self._transport.close()

    async def _in_its_manner(self, reply: Reply) -> None:
        await asyncio.sleep(reply.wait)
        if self._room.rough and reply.raw and not reply.cut_at:
            self._break_off()
            return
        lasting = self._lasting and reply.declared is None
        self._write(_head(reply, lasting))
        body = reply.answer.body
        if reply.cut_at is not None:
            self._write(body[: reply.cut_at])
            await asyncio.sleep(0.05)  # let the half arrive before the end overtakes it
            self._break_off()
            return
        await trickle(self._write, body, reply.spread, bytewise=self._room.rough)
        self._lasting = lasting  # what was not declared would begin the next answer
        self._next()

    def _next(self) -> None:
        self._busy = False
        if not self._lasting:
            self._transport.close()
        elif self._buffer:
            self._take_one()

    def _write(self, part: bytes) -> None:
        if not self._transport.is_closing():  # the client may have lost patience
            self._transport.write(part)


@lru_cache(512)
def _parse(raw: bytes) -> _Head:
    """A client says nearly the same each time. Raises ValueError."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    pairs = [line.partition(":")[::2] for line in lines]
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    path, _, query = target.partition("?")
    if not (path.startswith("/") and version.startswith("HTTP/1.")):
        raise _BadRequestError
    connection = headers.get("connection", "").lower()
    lasting = connection == "keep-alive" if version == "HTTP/1.0" else connection != "close"
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= BODY_BYTES:
        raise _BadRequestError
    asks = headers.get("expect", "").lower() == "100-continue"
    length = -1 if chunked else length
    return _Head(method, unquote(path), query, headers, length, lasting, asks)


def _chunks(buffer: bytearray, start: int) -> tuple[bytes | None, int]:
    """A body in chunks (RFC 9112 §7.1) and where it ends. Raises ValueError."""
    parts: list[bytes] = []
    at = start
    while (line_end := buffer.find(b"\r\n", at)) >= 0:
        size = int(buffer[at:line_end].split(b";")[0], 16)
        at = line_end + 2
        if size == 0:
            end = buffer.find(b"\r\n", at)
            if end > at:  # trailers
                end = buffer.find(_END, at) + 2
            return (None, len(buffer) + 1) if end < at else (b"".join(parts), end + 2)
        parts.append(bytes(buffer[at : at + size]))
        at += size + 2
        if size < 0 or at - start > BODY_BYTES:
            raise _BadRequestError
    return None, len(buffer) + 1


def _head(reply: Reply, lasting: bool) -> bytes:
    headers = tuple(reply.headers())
    return _written(reply.answer.status, headers, lasting, int(time.time()))


@lru_cache(256)
def _written(
    status: int, headers: tuple[tuple[str, str], ...], lasting: bool, second: int
) -> bytes:
    date = formatdate(second, usegmt=True)
    lines = [f"{name}: {value}\r\n" for name, value in (("Date", date), *headers)]
    end = "\r\n" if lasting else "Connection: close\r\n\r\n"
    return f"HTTP/1.1 {status_line(status)}\r\n{''.join(lines)}{end}".encode("latin-1")
