"""E-mails as bytes for SMTP, from prepared parts.

Bodies are quoted-printable, which can be joined from pieces by soft line breaks: the fixed parts of
a shell are encoded once, and each recipient adds only their own (RFC 2045 §6.7). Header text is
RFC 2047; nobody's data can start a header line (`headers.Inspector` is asked first).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from app.channels.base import EmailMessage, EmailShell
from app.channels.headers import substituted, tokens_in

_SOFT_BREAK: Final = b"=\r\n"
_QP_LINE: Final = 76  # characters of a line, with the sign of a soft break (RFC 2045 §6.7)
# A boundary that quoted-printable cannot produce: it holds "=_".
_BOUNDARY: Final = "=_herald_part"
_PLAIN, _HTML = (
    (
        f"Content-Type: text/{kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode()
    for kind in ("plain", "html")
)
_OPEN: Final = (
    f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n\r\n--{_BOUNDARY}\r\n'
).encode()
_NEXT: Final = f"\r\n--{_BOUNDARY}\r\n".encode()
_CLOSE: Final = f"\r\n--{_BOUNDARY}--".encode()
_WORD_BYTES: Final = 45  # becomes 60 characters of base64; an encoded word has at most 75
_LINE: Final = 900  # RFC 5322 allows 998 characters
_ATOM: Final = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")


class Writer:
    """Writes the messages of one send(); remembers the shells it has met."""

    def __init__(self, date: str) -> None:
        self._date = date
        self._shells: dict[int, _ShellParts] = {}

    def write(self, message: EmailMessage) -> bytes:
        """The whole message as it follows DATA: CRLF line ends, and the final dot.

        No line of it begins with a dot (see _encoded), so there is nothing to stuff. Raises
        UnicodeEncodeError when a text is not valid Unicode.
        """
        if message.shell is None:
            subject, headers = message.subject, dict(message.headers)
            text, html = [_encoded(message.text)], [_encoded(message.html)]
        else:
            parts = self._parts(message.shell, message.substitutions)
            subject, headers = parts.headers(message)
            text, html = parts.bodies(message.substitutions)
        head = self._head(message, subject, headers)
        return b"".join((head, *_body(text, html), b"\r\n.\r\n"))

    def _parts(self, shell: EmailShell, tokens: Mapping[str, str]) -> "_ShellParts":
        # The shell itself is kept beside its id, so that the id cannot be given to another one.
        parts = self._shells.get(id(shell))
        if parts is None:
            parts = self._shells[id(shell)] = _ShellParts(shell, tokens)
        return parts

    def _head(self, message: EmailMessage, subject: str, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"Date: {self._date}",
            f"From: {address(message.from_email, message.from_name)}",
            f"To: {address(message.to, message.to_name)}",
            f"Subject: {header_text(subject)}",
            f"Message-ID: {message_id(message)}",
            f"X-Herald-Id: {message.ref}",
            "MIME-Version: 1.0",
        ]
        if message.reply_to:
            lines.append(f"Reply-To: {address(message.reply_to, '')}")
        lines.extend(f"{name}: {header_text(value)}" for name, value in headers.items())
        return "\r\n".join(lines).encode("utf-8") + b"\r\n"


class _ShellParts:
    """A shell taken apart at its tokens, the fixed pieces encoded once."""

    def __init__(self, shell: EmailShell, tokens: Iterable[str]) -> None:
        self.shell = shell
        names = list(tokens)
        self._subject_tokens = tokens_in(shell.subject, names)
        self._headers = [
            (name, value, tokens_in(value, names)) for name, value in shell.headers.items()
        ]
        self._text = _pieces(shell.text, names)
        self._html = _pieces(shell.html, names)

    def headers(self, message: EmailMessage) -> tuple[str, dict[str, str]]:
        values = message.substitutions
        headers = {
            name: substituted(value, tokens, values) if tokens else value
            for name, value, tokens in self._headers
        }
        headers.update(message.headers)
        return substituted(self.shell.subject, self._subject_tokens, values), headers

    def bodies(self, values: Mapping[str, str]) -> tuple[list[bytes], list[bytes]]:
        encoded = {token: _encoded(value) for token, value in values.items()}
        return _joined(self._text, encoded), _joined(self._html, encoded)


def message_id(message: EmailMessage) -> str:
    """The same on every resend, so that mail programs fold duplicates."""
    return f"<{message.ref}@{domain_of(message.from_email)}>"


def domain_of(email: str) -> str:
    """The domain of an address, in ASCII."""
    return ascii_domain(email.rpartition("@")[2])


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """`bücher.example` -> `xn--bcher-kva.example`; what cannot be converted is left alone."""
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def mailbox(email: str) -> str:
    """An address as it stands in an SMTP command: the domain in ASCII."""
    local, _, domain = email.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def address(email: str, name: str) -> str:
    """`"Ann, of Kent" <ann@example.com>` as RFC 5322 and RFC 2047 want it."""
    if not name:
        return mailbox(email)
    return f"{_display_name(name)} <{mailbox(email)}>"


@lru_cache(maxsize=1024)
def header_text(value: str) -> str:
    """Unstructured header text: as it is when plain ASCII, else as RFC 2047 encoded words."""
    if value.isascii() and len(value) <= _LINE and "=?" not in value and value.isprintable():
        return value
    words = [
        f"=?utf-8?b?{base64.b64encode(chunk.encode('utf-8')).decode('ascii')}?="
        for chunk in _chunks(value)
    ]
    return "\r\n ".join(words)


def _body(text: list[bytes], html: list[bytes]) -> Iterable[bytes]:
    if any(text) and any(html):
        return (_OPEN, _PLAIN, *text, _NEXT, _HTML, *html, _CLOSE)
    return (_HTML, *html) if any(html) else (_PLAIN, *text)


def _encoded(text: str) -> bytes:
    """Quoted-printable with CRLF line ends and no line that begins with a dot.

    Such a dot is written `=2E` with a soft break after it, so that no line grows beyond 76
    characters and SMTP has no dot to double (RFC 5321 §4.5.2).
    """
    if not text:
        return b""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8")
    encoded = b"\n" + binascii.b2a_qp(plain, istext=True)
    while b"\n." in encoded:
        encoded = encoded.replace(b"\n.", b"\n=2E=\n")
    return _with_room(encoded[1:]).replace(b"\n", b"\r\n")


def _with_room(encoded: bytes) -> bytes:
    """A last line that is full cannot take the sign of a soft break: its last character moves."""
    last = encoded.rpartition(b"\n")[2]
    if len(last) < _QP_LINE:
        return encoded
    cut = 3 if last[-3:-2] == b"=" else 1
    moved = encoded[-cut:]
    return encoded[:-cut] + b"=\n" + (b"=2E" if moved == b"." else moved)


def _pieces(text: str, tokens: Iterable[str]) -> list[tuple[bytes, str]]:
    """The text as (encoded piece, token after it); the last token is empty."""
    found = tokens_in(text, tokens)
    if not found:
        return [(_encoded(text), "")]
    split = re.split("(" + "|".join(map(re.escape, found)) + ")", text)
    pieces = [_encoded(piece) for piece in split[::2]]
    return list(zip(pieces, [*split[1::2], ""], strict=True))


def _joined(pieces: list[tuple[bytes, str]], values: Mapping[str, bytes]) -> list[bytes]:
    """The pieces with this recipient's own between them, all parted by soft breaks."""
    parts: list[bytes] = []
    for piece, token in pieces:
        if piece:
            parts += (piece, _SOFT_BREAK)
        if token and (value := values.get(token)):
            parts += (value, _SOFT_BREAK)
    return parts[:-1]


def _chunks(text: str) -> Iterable[str]:
    """Pieces of whole characters that fit one encoded word."""
    chunk, size = "", 0
    for character in text:
        width = len(character.encode("utf-8"))
        if size + width > _WORD_BYTES:
            yield chunk
            chunk, size = "", 0
        chunk += character
        size += width
    yield chunk


def _display_name(name: str) -> str:
    if not (name.isascii() and name.isprintable()) or "=?" in name or len(name) > _LINE:
        return header_text(name)
    if _ATOM.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
