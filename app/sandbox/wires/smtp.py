"""An SMTP relay: AUTH, one or more RCPT, DATA; a message is taken with the 250 after the dot.

Recipients such as `ann+bounce@example.org` ask for an answer at RCPT: `bounce` 550 5.1.1,
`blocked` 550 5.7.1, `deferred` 451 4.7.1, `full` 552 5.2.2. Rules may be made for the stages
`ehlo`, `auth`, `mail` and `rcpt`; without a stage they are about the message after its final dot.
"""

import asyncio
import hashlib
import logging
import re
import warnings
from email import message_from_bytes, policy
from typing import Any, Final, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from app.sandbox import credentials
from app.sandbox.desk import Desk, suffer
from app.sandbox.faults import Rule
from app.sandbox.tags import tag
from app.sandbox.wire import Answer, Call, Recipient

LARGEST: Final = 30 * 1024 * 1024
TAKEN: Final = "250 2.0.0 OK: queued"
_MAGIC: Final = {
    "bounce": "550 5.1.1 The email account that you tried to reach does not exist",
    "blocked": "550 5.7.1 Message refused by policy",
    "deferred": "451 4.7.1 Greylisted, please try again later",
    "full": "552 5.2.2 Mailbox full",
}
_HERALD_ID: Final = re.compile(r"<([^@>]+)@")


class Smtp:
    """The handler of aiosmtpd: its hooks answer with the line that goes out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,  # noqa: ARG002
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Announce what relays announce nowadays; reading ahead is done by the stream."""
        if line := self._ruled("ehlo", server):
            return [line]
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_AUTH(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,  # noqa: ARG002
        args: list[str],  # noqa: ARG002
    ) -> Any:
        """Go on with the log-in, unless a rule says otherwise."""
        return self._ruled("auth", server) or MISSING

    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        """Take the sender, unless a rule says otherwise."""
        if line := self._ruled("mail", server):
            return line
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Take a recipient, or refuse it by its tag or by a rule for this stage."""
        line = _MAGIC.get(tag(address), "")
        rule = None
        if not line:
            rule = self._desk.faults.pick("smtp", [Recipient(address)], "rcpt")
            line = _line(rule, server) if rule else ""
        if line:
            person = Recipient(address)
            call = Call("smtp", "email", Answer(int(line[:3])), False, line[:9], [person])
            self._desk.write_down(call, b"", rule)
            return line
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Take the message, unless a rule says otherwise."""
        content = envelope.content
        body = content if isinstance(content, bytes) else (content or "").encode()
        call = _call(envelope, body)
        rule = self._desk.faults.pick("smtp", call.recipients)
        if rule is None:
            self._desk.write_down(call, body)
            return TAKEN
        line = _scripted(rule)
        if line:
            call = suffer(call, rule, Answer(int(line[:3])))
        self._desk.write_down(call, body, rule)
        await asyncio.sleep(rule.seconds)
        if not line and rule.kind not in {"delay", "slow_loris"}:
            cast(asyncio.Transport, server.transport).abort()
        return line or TAKEN

    def _ruled(self, stage: str, server: SMTP) -> str:
        """The line a rule for this stage wants said; nothing of a message is there to journal."""
        rule = self._desk.faults.pick("smtp", [], stage)
        return _line(rule, server) if rule else ""


def start(desk: Desk, host: str, port: int) -> Controller:
    """Listen for mail in a thread of its own. Raises OSError when the port is taken."""
    # The sandbox is on loopback and has no certificate: AUTH without TLS is meant.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    controller = Controller(
        Smtp(desk),
        hostname=host,
        port=port,
        server_hostname="sandbox.invalid",
        ident="Sandbox ESMTP",
        data_size_limit=LARGEST,
        enable_SMTPUTF8=True,
        authenticator=_authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    return controller


def _authenticate(
    server: SMTP,  # noqa: ARG001
    session: Session,  # noqa: ARG001
    envelope: Envelope,  # noqa: ARG001
    mechanism: str,  # noqa: ARG001
    auth_data: Any,
) -> AuthResult:
    wanted = (credentials.SMTP_USER.encode(), credentials.SMTP_PASSWORD.encode())
    given = auth_data if isinstance(auth_data, LoginPassword) else LoginPassword(b"", b"")
    return AuthResult(success=(given.login, given.password) == wanted, handled=False)


def _call(envelope: Envelope, body: bytes) -> Call:
    head = message_from_bytes(body.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n", policy=policy.compat32)
    found = _HERALD_ID.search(str(head.get("Message-ID", "")))
    notification = str(head.get("X-Herald-Id") or (found[1] if found else ""))
    fingerprint = hashlib.sha256(body).hexdigest()
    people = [Recipient(to, notification, "", fingerprint) for to in envelope.rcpt_tos]
    message_id = str(head.get("Message-ID", ""))
    return Call("smtp", "email", Answer(250), True, "250", people, message_id, {"mime": body})


def _line(rule: Rule, server: SMTP) -> str:
    """A scripted line; a fault by name breaks the session off before anything was taken."""
    line = _scripted(rule)
    if not line:
        cast(asyncio.Transport, server.transport).abort()
        return "421 4.3.0 Breaking off"
    return line


def _scripted(rule: Rule) -> str:
    """The line of a scripted answer; empty for a fault by name."""
    answer = rule.script.get("answer")
    if answer is None:
        return "451 4.7.0 Too much mail from you" if rule.kind == "rate_limit" else ""
    return f"{answer['status']} {answer.get('code') or answer.get('body') or 'Scripted answer'}"
