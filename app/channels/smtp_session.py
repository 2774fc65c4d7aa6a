"""One SMTP session: open, log in, hand over messages, under deadlines that hold (RFC 5321).

Every wait has an absolute end, so a server that trickles one byte a second cannot hold a thread.
"""

import base64
import contextlib
import ipaddress
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.channels.base import CONNECT_SECONDS
from app.channels.smtp_replies import Reply, Stage
from app.channels.sockets import ca_bundle, connect

COMMAND_SECONDS: Final = 30.0
END_SECONDS: Final = 60.0  # the wait after the final dot
_LONGEST_REPLY: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to connect. `tls`: starttls (required), optional (if offered), implicit."""

    host: str
    port: int = 25
    user: str = ""
    password: str = ""
    tls: str = "starttls"
    hello: str = "herald"
    ca_file: str = ""


class Refused(Exception):
    """The server said no; the session goes on unless `closed`."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(f"{stage}: {reply.code}")
        self.stage = stage
        self.reply = reply


class Broken(Exception):
    """The session is over without an answer; `at_end`: the final dot had left."""

    def __init__(self, *, at_end: bool = False) -> None:
        super().__init__("the session broke off")
        self.at_end = at_end


class Unwanted(Exception):
    """Nobody wants the message to go any more; it has not gone."""


class Session:
    """An open, logged-in session. One owner at a time."""

    def __init__(
        self, server: Server, command_s: float = COMMAND_SECONDS, end_s: float = END_SECONDS
    ) -> None:
        """Connect and log in. Raises Refused or Broken; nothing of a message has left then."""
        self._server = server
        self._command_s = command_s
        self._end_s = end_s
        self._buffer = b""
        self._deadline = time.monotonic() + self._command_s
        self._extensions: dict[str, str] = {}
        self.delivered = 0
        self.idle_since = time.monotonic()
        try:
            self._socket = connect(server.host, server.port, CONNECT_SECONDS)
        except OSError as error:
            raise Broken from error
        try:
            self._open()
        except BaseException:
            self._socket.close()
            raise

    def deliver(
        self, sender: str, recipient: str, content: bytes, wanted: Callable[[], bool]
    ) -> Reply:
        """Hand over one message that ends in its dot; the reply. Raises Refused, Broken, or
        Unwanted when the server took so long that nobody wants it to have the message any more.

        All mean the message was certainly not accepted, except Broken with `at_end`. After
        Unwanted the session is closed.
        """
        self._envelope(sender, recipient, len(content))
        if not wanted():
            self._drop()  # a QUIT would be taken for the message
            raise Unwanted
        self._deadline = time.monotonic() + self._end_s
        self._write(content)  # breaks before the final dot is out, or not at all
        try:
            reply = self._read()
        except Broken as broken:
            broken.at_end = True
            raise
        self.delivered += 1
        self.idle_since = time.monotonic()
        if not 200 <= reply.code < 300:
            raise Refused(Stage.END, reply)
        return reply

    def reset(self) -> bool:
        """RSET after a refusal; False when the session is of no more use."""
        self._deadline = time.monotonic() + self._command_s
        try:
            self._write(b"RSET\r\n")
            return self._read().code == 250
        except Broken:
            return False

    def alive(self) -> bool:
        """False when the server has hung up, or has something to say unasked (a 421)."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return not self._buffer and not waiting.poll(0)

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
        with contextlib.suppress(OSError, ValueError):
            self._socket.settimeout(0.2)
            self._socket.sendall(b"QUIT\r\n")
        self._drop()

    def _drop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self._socket.close()

    def needs_utf8(self, *mailboxes: str) -> bool:
        """True when an address cannot be said in ASCII and the server knows no SMTPUTF8."""
        return "SMTPUTF8" not in self._extensions and not "".join(mailboxes).isascii()

    def _open(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.tls == "implicit":
            self._secure()
        self._expect(Stage.OPEN, self._read(), 220)
        self._hello()
        if self._server.tls != "implicit":
            self._start_tls()
        if self._server.user:
            self._log_in()

    def _hello(self) -> None:
        reply = self._command(Stage.OPEN, f"EHLO {self._server.hello}", 250)
        lines = [line.strip().upper() for line in reply.text.split("\n")[1:]]
        self._extensions = dict(line.partition(" ")[::2] for line in lines if line)

    def _start_tls(self) -> None:
        if "STARTTLS" in self._extensions:
            self._command(Stage.LOGIN, "STARTTLS", 220)
            if self._buffer:  # something was slipped in before the encryption
                raise Broken
            self._secure()
            self._hello()
        elif needs_encryption(self._server):
            raise Refused(Stage.LOGIN, Reply(538, "5.7.11 encryption needed"))

    def _secure(self) -> None:
        context = ssl.create_default_context(cafile=self._server.ca_file or ca_bundle())
        try:
            self._socket.settimeout(self._left())
            self._socket = context.wrap_socket(self._socket, server_hostname=self._server.host)
        except OSError as error:  # ssl.SSLError is one
            raise Broken from error

    def _log_in(self) -> None:
        user, password = self._server.user.encode(), self._server.password.encode()
        methods = self._extensions.get("AUTH", "").split()
        if "LOGIN" in methods and "PLAIN" not in methods:
            self._command(Stage.LOGIN, "AUTH LOGIN", 334)
            self._command(Stage.LOGIN, _base64(user), 334)
            self._command(Stage.LOGIN, _base64(password), 235)
        else:
            secret = _base64(b"\0" + user + b"\0" + password)
            self._command(Stage.LOGIN, f"AUTH PLAIN {secret}", 235)

    def _envelope(self, sender: str, recipient: str, size: int) -> None:
        self._deadline = time.monotonic() + self._command_s
        options = f" SIZE={size}" if "SIZE" in self._extensions else ""
        if not (sender + recipient).isascii():
            options += " SMTPUTF8"
        commands = (
            (Stage.SENDER, f"MAIL FROM:<{sender}>{options}", 250),
            (Stage.RECIPIENT, f"RCPT TO:<{recipient}>", 250),
            (Stage.CONTENT, "DATA", 354),
        )
        if "PIPELINING" in self._extensions:
            self._pipelined(commands)
        else:
            for stage, command, wanted in commands:
                self._command(stage, command, wanted)

    def _pipelined(self, commands: tuple[tuple[Stage, str, int], ...]) -> None:
        """All commands in one packet, then all replies (RFC 2920)."""
        self._write("".join(f"{command}\r\n" for _, command, _ in commands).encode("utf-8"))
        refusal: Refused | None = None
        for stage, _, wanted in commands:
            try:
                reply = self._read()
            except Broken:
                if refusal is not None:
                    raise refusal from None
                raise
            if refusal is not None and reply.code == 354:
                # The server wants content although it refused the recipient: end it at once.
                self._write(b".\r\n")
                self._read()
            elif refusal is None and not _good(reply, wanted):
                refusal = Refused(stage, reply)
        if refusal is not None:
            raise refusal

    def _command(self, stage: Stage, command: str, wanted: int) -> Reply:
        self._write(f"{command}\r\n".encode())
        return self._expect(stage, self._read(), wanted)

    def _expect(self, stage: Stage, reply: Reply, wanted: int) -> Reply:
        if not _good(reply, wanted):
            raise Refused(stage, reply)
        return reply

    def _write(self, content: bytes) -> None:
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(content)
        except (OSError, ValueError) as error:
            raise Broken from error

    def _read(self) -> Reply:
        """One whole reply. Its text holds all lines, joined by newlines."""
        lines: list[str] = []
        while True:
            line = self._read_line()
            if not (line[:3].isdigit() and line[3:4] in (b" ", b"-", b"")):
                raise Broken
            lines.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return Reply(int(line[:3]), "\n".join(lines))

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_REPLY:
                raise Broken
            try:
                self._socket.settimeout(self._left())
                received = self._socket.recv(4096)
            except (OSError, ValueError) as error:
                raise Broken from error
            if not received:
                raise Broken
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Broken
        return left


def needs_encryption(server: Server) -> bool:
    """Nothing is said in clear beyond this machine, unless the URL allows it."""
    return server.tls == "starttls" and not _loopback(server.host)


def _good(reply: Reply, wanted: int) -> bool:
    return reply.code == wanted or (wanted == 250 and 200 <= reply.code < 300)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
