"""The relay's side of an SMTP session (RFC 5321): lines, messages and the order of the replies.

It speaks in the clear: it is on loopback and has no certificate, so AUTH without TLS is meant.
"""

import asyncio
from typing import Final

from app.sandbox.doors.smtp_talk import LARGEST, NAME, Said, Talk
from app.sandbox.doors.till import Till
from app.sandbox.wires.smtp import Smtp, Verdict

LONGEST_LINE: Final = 1001  # RFC 5321 §4.5.3.1.6, with its end and a doubled dot
_LONGEST_COMMAND: Final = 4096
_GREETING: Final = f"220 {NAME} Sandbox ESMTP\r\n".encode()
_DOT: Final = b"\r\n.\r\n"


class Relay(asyncio.Protocol):
    """One connection."""

    def __init__(self, smtp: Smtp, till: Till) -> None:
        self._smtp = smtp
        self._till = till
        self._talk = Talk(smtp)
        self._buffer = bytearray()
        self._seen = self._size = 0
        self._out: list[str] = []
        self._busy = self._doomed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server gives no other
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        self._go_on()

    def answer(self, ticket: int, answer: Verdict | None) -> None:  # noqa: ARG002
        """See Visitor: a verdict that takes its time comes here, all others are lines already."""
        if answer is not None:
            now = answer._replace(wait=0.0)
            asyncio.get_running_loop().call_later(answer.wait, self._late, now)

    def failed(self, ticket: int) -> None:  # noqa: ARG002
        """See Visitor."""
        self._out.clear()
        self._doomed = True

    def flush(self) -> None:
        """See Visitor: all replies since the last time in one write."""
        if self._out and not self._transport.is_closing():
            self._transport.write("\r\n".join((*self._out, "")).encode())
        self._out.clear()
        if self._doomed:
            self._transport.abort()
        elif self._talk.ended:
            self._transport.close()

    def _late(self, verdict: Verdict) -> None:
        self._busy = False
        self._say(verdict)
        self.flush()
        self._go_on()

    def _go_on(self) -> None:
        """Everything the client has sent so far (RFC 2920: it may send ahead)."""
        while not (self._busy or self._doomed or self._talk.ended) and self._step():
            pass
        if self._out or self._doomed:
            self._till.settle(self, 0, None)

    def _step(self) -> bool:
        """Do one command or message; False when it is not there as a whole."""
        if self._talk.reading:
            return self._read()
        end = self._buffer.find(b"\r\n")
        if end > _LONGEST_COMMAND or (end < 0 and len(self._buffer) > _LONGEST_COMMAND):
            del self._buffer[: end + 2 if end > 0 else len(self._buffer)]
            self._say("500 Command line too long")
            return True
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._say(self._talk.command(line))
        return True

    def _read(self) -> bool:
        """Take the message when its dot is there."""
        if self._size == 0 and self._buffer.startswith(_DOT[2:]):
            end = -2
        else:
            end = self._buffer.find(_DOT, self._seen)
        if end == -1:
            self._seen = max(0, len(self._buffer) - len(_DOT))
            if self._seen > LARGEST:  # it will be refused: what came so far is of no use
                self._size += self._seen
                del self._buffer[: self._seen]
                self._seen = 0
            return False
        body = bytes(memoryview(self._buffer)[: end + 2])
        del self._buffer[: end + len(_DOT)]
        self._take(body)
        return True

    def _take(self, body: bytes) -> None:
        recipients, size = self._talk.recipients, self._size + len(body)
        self._seen = self._size = 0
        self._talk.forget()
        if size > LARGEST:
            self._say("552 Error: Too much mail data")
        elif max(map(len, body.split(b"\r\n"))) + 2 > LONGEST_LINE:
            self._say("500 Line too long (see RFC5321 4.5.3.1.6)")
        else:
            self._say(self._smtp.message(recipients, _unstuffed(body)))

    def _say(self, said: Said) -> None:
        """A line; or a verdict, which may have its line later, or none when the session breaks."""
        if isinstance(said, str):
            self._out.append(said)
        elif said.wait:
            self._busy = True
            self._till.settle(self, 0, said)
        elif said.line:
            self._out.append(said.line)
        else:
            self._doomed = True


def _unstuffed(body: bytes) -> bytes:
    """RFC 5321 §4.5.2: a dot at the beginning of a line was doubled, or is the sender's mistake."""
    return body[body.startswith(b".") :].replace(b"\r\n.", b"\r\n")
