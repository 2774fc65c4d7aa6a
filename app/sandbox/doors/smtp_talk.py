"""The commands of an SMTP session (RFC 5321, RFC 4954) and what is answered to each."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from app.sandbox.wires.smtp import Smtp, Verdict

LARGEST: Final = 30 * 1024 * 1024
NAME: Final = "sandbox.invalid"
_EXTENSIONS: Final = (
    NAME, f"SIZE {LARGEST}", "8BITMIME", "SMTPUTF8", "AUTH LOGIN PLAIN", "PIPELINING",
    "ENHANCEDSTATUSCODES", "HELP",
)  # fmt: skip
_HELLO: Final = "\r\n".join(f"250-{name}" for name in _EXTENSIONS[:-1]) + "\r\n250 HELP"
_PATH: Final = re.compile(r"(?:<([^>]*)>|(\S+))(?: +(.*))?")
_MAILBOX: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s<>@"]+)(?:@[^\s<>@]+)?')
_NO_BASE64: Final = "501 5.5.2 Can't decode base64"

Said = str | Verdict  # a line, or what the wire wants


class Talk:
    """Where one session stands. `reading`: a message follows; `ended`: the client has left."""

    def __init__(self, smtp: Smtp) -> None:
        self.recipients: list[str] = []
        self.reading = self.ended = False
        self._smtp = smtp
        self._sender: str | None = None
        self._then: Callable[[bytes], str] | None = None
        self._greeted = self._extended = self._known = False
        self._login = b""
        self._commands: dict[str, Callable[[str], Said]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "NOOP": self._noop,
            "VRFY": self._vrfy, "HELP": self._help, "QUIT": self._quit, "STARTTLS": self._starttls,
        }  # fmt: skip

    def command(self, line: bytes) -> Said:
        """What is said to a line without its end."""
        if then := self._then:
            self._then = None
            return "501 5.7.0 Auth aborted" if line.strip() == b"*" else then(line)
        verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
        command = self._commands.get(verb.upper())
        if command is None:
            return (
                f'500 Error: command "{verb}" not recognized' if verb else "500 Error: bad syntax"
            )
        return command(rest.strip())

    def forget(self) -> None:
        """No transaction is under way."""
        self._sender, self.recipients, self.reading = None, [], False

    def _ehlo(self, rest: str) -> Said:
        if not rest:
            return "501 Syntax: EHLO hostname"
        self.forget()
        self._greeted = self._extended = True
        verdict = self._smtp.ruled("ehlo")
        return verdict or _HELLO

    def _helo(self, rest: str) -> str:
        if not rest:
            return "501 Syntax: HELO hostname"
        self.forget()
        self._greeted, self._extended = True, False
        return f"250 {NAME}"

    def _auth(self, rest: str) -> Said:
        words = rest.split()
        if not self._greeted:
            return "503 Error: send EHLO first"
        if not self._extended:
            return "500 Error: command 'AUTH' not recognized"
        if self._known:
            return "503 Already authenticated"
        if not 1 <= len(words) <= 2:
            return "501 Too many values" if words else "501 Not enough value"
        begin = {"PLAIN": self._plain, "LOGIN": self._login_name}.get(words[0])
        if begin is None:
            return "504 5.5.4 Unrecognized authentication type"
        if verdict := self._smtp.ruled("auth"):
            return verdict
        if len(words) == 2:
            return begin(words[1].encode())
        self._then = begin
        return "334 " if words[0] == "PLAIN" else "334 VXNlciBOYW1lAA=="

    def _plain(self, line: bytes) -> str:
        given = _decoded(line)
        if given is None:
            return _NO_BASE64
        parts = given.split(b"\0")
        return self._log_in(*parts[1:]) if len(parts) == 3 else "501 5.5.2 Can't split auth value"

    def _login_name(self, line: bytes) -> str:
        given = _decoded(line)
        if given is None:
            return _NO_BASE64
        self._login, self._then = given, self._login_password
        return "334 UGFzc3dvcmQA"

    def _login_password(self, line: bytes) -> str:
        given = _decoded(line)
        return _NO_BASE64 if given is None else self._log_in(self._login, given)

    def _log_in(self, login: bytes, password: bytes) -> str:
        self._known = self._smtp.knows(login, password)
        if self._known:
            return "235 2.7.0 Authentication successful"
        return "535 5.7.8 Authentication credentials invalid"

    def _mail(self, rest: str) -> Said:
        address, options = _mailbox("FROM:", rest)
        if closed := self._closed():
            return closed
        if not address:
            return "501 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"
        if address != "<>" and not _MAILBOX.fullmatch(address):
            return "553 5.1.3 Error: malformed address"
        if self._sender is not None:
            return "503 Error: nested MAIL command"
        if wrong := _wrong_options(options):
            return wrong
        if verdict := self._smtp.ruled("mail"):
            return verdict
        self._sender = address
        return "250 2.1.0 OK"

    def _rcpt(self, rest: str) -> Said:
        address, options = _mailbox("TO:", rest)
        if closed := self._closed():
            return closed
        if self._sender is None:
            return "503 Error: need MAIL command"
        if not address or address == "<>":
            return "501 Syntax: RCPT TO: <address> [SP <mail-parameters>]"
        if not _MAILBOX.fullmatch(address):
            return "553 5.1.3 Error: malformed address"
        if options:
            return "555 RCPT TO parameters not recognized or not implemented"
        if verdict := self._smtp.recipient(address):
            return verdict
        self.recipients.append(address)
        return "250 2.1.5 OK"

    def _data(self, rest: str) -> str:
        if closed := self._closed():
            return closed
        if not self.recipients:
            return "503 Error: need RCPT command"
        if rest:
            return "501 Syntax: DATA"
        self.reading = True
        return "354 End data with <CR><LF>.<CR><LF>"

    def _closed(self) -> str:
        """Why a transaction cannot go on: no greeting, or no log-in."""
        if not self._greeted:
            return "503 Error: send HELO first"
        return "" if self._known else "530 5.7.0 Authentication required"

    def _rset(self, rest: str) -> str:
        if rest:
            return "501 Syntax: RSET"
        self.forget()
        return "250 OK"

    def _noop(self, rest: str) -> str:  # noqa: ARG002
        return "250 OK"

    def _vrfy(self, rest: str) -> str:
        if not rest:
            return "501 Syntax: VRFY <address>"
        return "252 Cannot VRFY user, but will accept message and attempt delivery"

    def _help(self, rest: str) -> str:  # noqa: ARG002
        return "250 Supported commands: " + " ".join(sorted(self._commands))

    def _starttls(self, rest: str) -> str:
        return "501 Syntax: STARTTLS" if rest else "454 TLS not available"

    def _quit(self, rest: str) -> str:
        if rest:
            return "501 Syntax: QUIT"
        self.ended = True
        return "221 Bye"


def _mailbox(keyword: str, rest: str) -> tuple[str, str]:
    """The address and the options of `FROM:<ann@example.org> SIZE=17`; `<>` is nobody."""
    if rest[: len(keyword)].upper() != keyword:
        return "", ""
    found = _PATH.fullmatch(rest[len(keyword) :].strip())
    if found is None:
        return "", ""
    return (found[2] or found[1] or "<>"), found[3] or ""


def _wrong_options(options: str) -> str:
    """What is wrong with the parameters of MAIL; empty when nothing is."""
    for word in options.upper().split():
        name, given, value = word.partition("=")
        if name == "SMTPUTF8" and given:
            return "501 Error: SMTPUTF8 takes no arguments"
        if name == "BODY" and value not in {"7BIT", "8BITMIME"}:
            return "501 Error: BODY can only be one of 7BIT, 8BITMIME"
        if name == "SIZE" and not value.isdigit():
            return "501 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"
        if name == "SIZE" and int(value) > LARGEST:
            return "552 Error: message size exceeds fixed maximum message size"
        if name not in {"SMTPUTF8", "BODY", "SIZE"}:
            return "555 MAIL FROM parameters not recognized or not implemented"
    return ""


def _decoded(line: bytes) -> bytes | None:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except binascii.Error:
        return None
