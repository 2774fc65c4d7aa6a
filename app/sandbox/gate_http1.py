"""HTTP/1.1 at the gate: one request at a time, with a Content-Length."""

import asyncio
from collections.abc import Callable, Mapping

from app.sandbox.reply import Reply
from app.sandbox.web import Web, status_line, within
from app.sandbox.wire import Request


class Http1:
    """One connection."""

    def __init__(
        self, web: Web, transport: asyncio.Transport, break_off: Callable[[], None]
    ) -> None:
        self._web = web
        self._transport = transport
        self._break_off = break_off
        self._buffer = b""
        self._busy: asyncio.Task[None] | None = None

    def receive(self, data: bytes) -> None:
        """Bytes from the client; answers as soon as a request is whole."""
        self._buffer += data
        if self._busy is None or self._busy.done():
            self._take_one()

    def _take_one(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = _headers(lines)
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        path, _, query = target.partition("?")
        request = Request(method, within(path), headers, rest[:length], query)
        reply = self._web.reply(path, request)
        self._busy = asyncio.get_running_loop().create_task(self._answer(reply))

    async def _answer(self, reply: Reply) -> None:
        await asyncio.sleep(reply.wait)
        if reply.raw and not reply.cut_at:
            self._break_off()
            return
        head = [f"HTTP/1.1 {status_line(reply.answer.status)}"]
        head += [f"{name}: {value}" for name, value in reply.headers()]
        self._transport.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        body = reply.answer.body
        if reply.cut_at is not None:
            self._transport.write(body[: reply.cut_at])
            await asyncio.sleep(0.05)  # let the half arrive before the reset overtakes it
            self._break_off()
            return
        await trickle(self._write, body, reply.spread)
        if reply.declared is not None:  # what was not declared would begin the next answer
            self._transport.close()
            return
        self._take_one()

    def _write(self, part: bytes) -> None:
        if not self._transport.is_closing():  # the client may have lost patience
            self._transport.write(part)


async def trickle(write: Callable[[bytes], object], body: bytes, seconds: float) -> None:
    """Write a body at once, or a byte at a time over some seconds."""
    if not seconds:
        write(body)
        return
    for at in range(len(body)):
        await asyncio.sleep(seconds / len(body))
        write(body[at : at + 1])


def _headers(lines: list[str]) -> Mapping[str, str]:
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}
