"""How the sandbox is reached: what clients may do that libcurl and smtplib do not."""

import asyncio
import json
import os
import resource
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pycurl
import pytest
from hpack import Encoder

from app.sandbox import credentials, store
from app.sandbox.desk import Desk
from app.sandbox.doors.header_block import BadBlockError, Reader
from app.sandbox.doors.room import Room
from app.sandbox.doors.till import Till
from app.sandbox.faults import Faults
from app.sandbox.journal import Journal
from app.sandbox.reply import Reply
from app.sandbox.store import Store
from app.sandbox.wire import Call, Request
from tests.sandbox.calls import mail, send_mail, send_text
from tests.sandbox.test_smtp import letter, sign_in
from tests.support.sandbox import SandboxHandle, running_sandbox

HEADERS = [
    (":method", "POST"),
    (":path", "/3/device/00c0ffee"),
    ("authorization", "bearer " + "eyJhbGciOiJFUzI1NiJ9" * 12),
    ("x-all", "".join(map(chr, range(32, 127)))),
    ("apns-topic", "example.herald.app"),
]


@contextmanager
def talking(sandbox: SandboxHandle) -> Iterator[socket.socket]:
    address = sandbox.url.split("://")[1].split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as found:
        yield found


def read_until(found: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        part = found.recv(65_536)
        assert part, data
        data += part
    return data


def mail_request(sandbox: SandboxHandle, how: str) -> bytes:
    return (
        f"POST /sendgrid/v3/mail/send HTTP/1.1\r\nHost: sandbox\r\n{how}\r\n"
        f"Authorization: Bearer {credentials.SENDGRID_API_KEY}\r\n"
        "Content-Type: application/json\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("huffman", [True, False])
def test_header_blocks_of_an_independent_writer_are_read(huffman: bool) -> None:
    encoder, reader = Encoder(), Reader()
    for number in range(200):  # the table overflows and is used again
        headers = [*HEADERS, ("apns-id", f"{number}-" + "ab" * (number % 90))]
        assert reader.read(encoder.encode(headers, huffman=huffman)) == dict(headers)


@pytest.mark.parametrize("block", [b"\x80", b"\xff\xff\xff\xff\xff\xff", b"\x40\x05ab", b"\xbf"])
def test_a_broken_header_block_is_refused(block: bytes) -> None:
    with pytest.raises(BadBlockError):
        Reader().read(block)


def test_a_body_may_come_in_chunks_and_byte_by_byte(sandbox: SandboxHandle) -> None:
    body = json.dumps(mail("ann@example.org")).encode()
    half = len(body) // 2
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(p), p) for p in (body[:half], body[half:], b""))
    with talking(sandbox) as found:
        for byte in mail_request(sandbox, "Transfer-Encoding: chunked") + chunks:
            found.sendall(bytes((byte,)))
        assert b"202 Accepted" in read_until(found, b"\r\n\r\n")
    assert sandbox.journal()[0]["to"] == "ann@example.org"


def test_requests_may_be_sent_ahead_and_are_answered_in_order(sandbox: SandboxHandle) -> None:
    body = json.dumps(mail("ann@example.org")).encode()
    one = mail_request(sandbox, f"Content-Length: {len(body)}") + body
    with talking(sandbox) as found:
        found.sendall(one + b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n" + one)
        data = b""
        while part := found.recv(65_536):
            data += part
    assert data.index(b"202 Accepted") < data.index(b"404 ")
    assert len(sandbox.journal()) == 1


def test_who_asks_first_is_told_to_go_on(sandbox: SandboxHandle) -> None:
    body = json.dumps(mail("ann@example.org")).encode()
    with talking(sandbox) as found:
        how = f"Content-Length: {len(body)}\r\nExpect: 100-continue"
        found.sendall(mail_request(sandbox, how))
        assert read_until(found, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        found.sendall(body)
        assert b"202 Accepted" in read_until(found, b"\r\n\r\n")


@pytest.mark.parametrize(
    "raw", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"G" * 70_000]
)
def test_what_is_no_request_is_answered_400(sandbox: SandboxHandle, raw: bytes) -> None:
    with talking(sandbox) as found:
        found.sendall(raw)
        assert read_until(found, b"\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_page_larger_than_the_window_arrives_over_http_2(sandbox: SandboxHandle) -> None:
    sender = mail(*(f"person{number}@example.org" for number in range(400)))
    assert send_mail(sandbox, sender).status == 202
    curl, parts = pycurl.Curl(), list[bytes]()
    curl.setopt(pycurl.URL, f"{sandbox.url}/_control/journal")
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    curl.setopt(pycurl.WRITEFUNCTION, parts.append)
    curl.perform()
    assert len(json.loads(b"".join(parts))) == 400
    assert len(b"".join(parts)) > 65_535


def test_a_small_call_does_not_wait_for_many_large_ones(sandbox: SandboxHandle) -> None:
    large = mail(*(f"person{number}@example.org" for number in range(1000)))
    crowd = [threading.Thread(target=send_mail, args=(sandbox, large)) for _ in range(16)]
    for one in crowd:
        one.start()
    assert send_text(sandbox, "+447700900123").status == 201
    for one in crowd:
        one.join()
    channels = [line["channel"] for line in sandbox.journal()]
    assert len(channels) == 16_001
    assert channels.index("sms") < 12_000, "it overtook some"


class Unreadable:
    """A provider whose rules break on the mail."""

    def is_provider(self, path: str) -> bool:
        return True

    def is_mail(self, path: str) -> bool:
        return True

    def read(self, path: str, request: Request) -> Call:
        raise RuntimeError("a rule that breaks")


class Nobody:
    """Hears nothing of accepted calls."""

    def accepted(self, call: Call) -> None: ...


class Waits:
    """A client."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.status = 0

    def answer(self, ticket: int, answer: Reply) -> None:
        self.status = answer.answer.status

    def flush(self) -> None:
        self.answered.set()


def test_a_large_mail_that_cannot_be_judged_is_answered_all_the_same(tmp_path: Path) -> None:
    async def call() -> int:
        loop, client = asyncio.get_running_loop(), Waits()
        desk = Desk(Journal(tmp_path), Store(tmp_path), Faults(), Nobody())
        room = Room(Unreadable(), Till(desk, loop), loop)
        room.take(client, 1, "/sendgrid/v3/mail/send", Request("POST", "/", {}, b" " * 100_000))
        await asyncio.wait_for(client.answered.wait(), 10)
        return client.status

    assert asyncio.run(call()) == 500


def test_a_dot_at_the_beginning_of_a_line_is_kept(sandbox: SandboxHandle) -> None:
    message = letter()
    message.set_content(".one\n..two\n.\nthree\n")
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as session:
        sign_in(session).send_message(message)
    segment, offset, length, _ = sandbox.journal()[0]["stored"]
    path = sandbox.var_dir / "sandbox" / "messages" / f"{segment:06d}.bodies"
    body = path.read_bytes()[offset : offset + length]
    assert body.endswith(b"\r\n.one\r\n..two\r\n.\r\nthree\r\n")


def test_commands_may_be_sent_ahead(sandbox: SandboxHandle) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as session:
        sign_in(session)
        session.send(
            "MAIL FROM:<a@example.org> SIZE=12\r\nRCPT TO:<ann+bounce@example.org>\r\n"
            "RCPT TO:<bob@example.org>\r\nDATA\r\nMessage-ID:\r\n <ntf_7@x>\r\n\r\nHello\r\n.\r\n"
        )
        assert [session.getreply()[0] for _ in range(5)] == [250, 550, 250, 354, 250]
    lines = [(line["to"], line["accepted"]) for line in sandbox.journal()]
    assert lines == [("ann+bounce@example.org", False), ("bob@example.org", True)]
    assert sandbox.journal()[1]["notification"] == "ntf_7"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:<a b>", 553),
        ("MAIL FROM:<a@example.org> SIZE=99999999", 552),
        ("MAIL FROM:<a@example.org> COLOUR=red", 555),
        ("RCPT TO:<a@example.org>", 503),
        ("DATA", 503),
        ("STARTTLS", 454),
        ("DANCE", 500),
        ("AUTH PLAIN", 503),
        ("VRFY ann", 252),
        ("NOOP", 250),
    ],
)
def test_a_relay_answers_what_it_cannot_do(sandbox: SandboxHandle, command: str, code: int) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as session:
        assert sign_in(session).docmd(command)[0] == code


def test_log_in_also_works_in_steps(sandbox: SandboxHandle) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as session:
        session.ehlo()
        session.user, session.password = credentials.SMTP_USER, credentials.SMTP_PASSWORD
        assert session.auth("LOGIN", session.auth_login, initial_response_ok=False)[0] == 235


def test_a_line_that_is_too_long_is_refused(sandbox: SandboxHandle) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as session:
        sign_in(session).mail("a@example.org")
        session.rcpt("ann@example.org")
        assert session.data("x" * 1200)[0] == 500
        time.sleep(0.05)
    assert sandbox.journal() == []


def test_of_a_write_that_breaks_off_nothing_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store.append(file, b"first\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            store.append(file, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        os.close(file)
    assert path.read_bytes() == b"first\n"


def test_what_cannot_be_written_down_is_not_taken(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        unlimited = resource.prlimit(sandbox.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(sandbox.pid, resource.RLIMIT_FSIZE, (1000, unlimited[1]))
        statuses = [send_text(sandbox, "+447700900123").status for _ in range(5)]
        resource.prlimit(sandbox.pid, resource.RLIMIT_FSIZE, unlimited)
        statuses += [send_text(sandbox, "+447700900123").status for _ in range(2)]
        assert (statuses[0], statuses[4], statuses[6]) == (201, 500, 201)
        assert set(statuses) == {201, 500}
        lines = sandbox.control("journal")
    assert len(lines) == statuses.count(201)
