"""E-mail by SMTP to a relay: kept sessions, several at a time (provider contract §6)."""

import itertools
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from queue import SimpleQueue
from typing import Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

from app import clock
from app.channels import exchange, headers, mime, smtp_replies
from app.channels.base import (
    Concern,
    EmailMessage,
    MayBegin,
    Message,
    OnResult,
    Outcome,
    Result,
    always,
)
from app.channels.smtp_replies import Stage
from app.channels.smtp_session import (
    COMMAND_SECONDS,
    END_SECONDS,
    Broken,
    Refused,
    Server,
    Session,
    Unwanted,
)

MESSAGES_PER_SESSION: Final = 100
STARTING_SECONDS: Final = 30.0  # no message is begun later than this after the send began
IDLE_SECONDS: Final = 30.0
SILENT_SECONDS: Final = 10.0  # a server this slow is not asked for anything more
NO_SESSION: Final = "no_session"  # it answered, but wants no (further) session now
_NO_SESSION: Final = frozenset({NO_SESSION, "unreachable"})
_MESSAGES_PER_THREAD: Final = 4  # fewer are not worth a further connection
_FIRST_THREADS: Final = 2
_SLOW_MS: Final = 10  # a message that takes longer is spent waiting, not computing
LOGIN_LASTS: Final = timedelta(minutes=15)
_QUEUE_ID: Final = re.compile(r"queued as ([\w-]{1,64})|\bid=([\w-]{1,64})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """`url`: smtp://user:password@host:587, smtps://…:465 (TLS from the first byte).

    STARTTLS is required unless the host is this machine or the URL ends in `?tls=optional`.
    """

    url: str
    hello: str = "localhost.localdomain"  # how Herald introduces itself: a full host name
    connections: int = 16
    command_s: float = COMMAND_SECONDS
    end_s: float = END_SECONDS


class LoginWatch:
    """Since when a server that wants a log-in gives none; safe for threads.

    454 at AUTH or STARTTLS comes and goes; when it lasts, somebody has to look.
    """

    def __init__(self) -> None:
        self._since: datetime | None = None

    def refused(self, now: datetime) -> bool:
        """One more refusal; True when they have lasted."""
        since = self._since = self._since or now
        return now - since >= LOGIN_LASTS

    def succeeded(self) -> None:
        """A log-in worked."""
        self._since = None


class SmtpProvider:
    """The e-mail channel by SMTP."""

    name = "smtp"

    def __init__(self, config: SmtpConfig, now: Callable[[], datetime] = clock.now) -> None:
        self._config = config
        self._now = now
        self._server = server_of(config.url, config.hello)
        self._idle: list[Session] = []
        self._logins = LoginWatch()

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """See Provider.send."""
        letters = cast(Sequence[EmailMessage], messages)
        sending = _Sending(letters, self._open, self._idle, self._now, may_begin)
        most = min(self._config.connections, math.ceil(len(messages) / _MESSAGES_PER_THREAD))
        sending.run(most, on_result)

    def _open(self) -> Session | Result:
        """A fresh session, or why there is none."""
        try:
            session = Session(self._server, self._config.command_s, self._config.end_s)
        except Broken:
            return smtp_replies.unreachable()
        except Refused as refused:
            now = self._now()
            result = smtp_replies.judge(refused.stage, refused.reply, now)
            if result.scope == "lane":
                return result
            later = refused.stage is Stage.LOGIN and self._logins.refused(now)
            return replace(result, code=NO_SESSION, concern=Concern.LOGIN_LASTS if later else None)
        self._logins.succeeded()
        return session


class _Sending:
    """One send(): threads take the next message until none is left or the server fails."""

    def __init__(
        self,
        messages: Sequence[EmailMessage],
        open_session: Callable[[], Session | Result],
        idle: list[Session],
        now: Callable[[], datetime],
        may_begin: MayBegin,
    ) -> None:
        self._messages = messages
        self._wanted = may_begin
        self._inspector = headers.Inspector()
        self._open = open_session
        self._idle = idle
        self._now = now
        self._next = itertools.count()
        self._starting_ends = time.monotonic() + STARTING_SECONDS
        self._writer = mime.Writer(format_datetime(now()))
        self._stopped = False

    def run(self, most: int, on_result: OnResult) -> None:
        """`most` is how many sessions may be used at a time."""
        if most <= 1:
            self._work(on_result)
        else:
            self._in_parallel(most, on_result)
        for place in self._left():
            on_result(place, exchange.not_attempted())

    def _in_parallel(self, most: int, on_result: OnResult) -> None:
        """Two threads for a near server, which keep a processor busy; more for a slow one."""
        results: SimpleQueue[tuple[int, Result] | None] = SimpleQueue()

        def work() -> None:
            try:
                self._work(lambda place, result: results.put((place, result)))
            finally:
                results.put(None)

        try:
            for _ in range(_FIRST_THREADS):
                threading.Thread(target=work, daemon=True).start()
            started = running = _FIRST_THREADS
            while running:
                item = results.get()
                if item is None:
                    running -= 1
                    continue
                if started < most and _waited(item[1]) and self._may_begin():
                    threading.Thread(target=work, daemon=True).start()
                    started, running = started + 1, running + 1
                on_result(*item)
        finally:
            self._stopped = True  # also when this thread is told to stop: begin nothing more

    def _left(self) -> Iterator[int]:
        """The places of the messages nobody has begun; safe for threads."""
        return itertools.takewhile(lambda place: place < len(self._messages), self._next)

    def _may_begin(self) -> bool:
        return not self._stopped and time.monotonic() < self._starting_ends

    def _work(self, report: OnResult) -> None:
        """Take messages until none is left, the server fails, or it wants no more sessions."""
        session: Session | None = None
        while self._may_begin() and (place := next(self._next)) < len(self._messages):
            if not self._wanted(place):
                report(place, exchange.not_attempted())
                continue
            began = time.monotonic()
            try:
                session, result = self._one(place, session)
            except Exception:
                report(place, smtp_replies.no_answer())
                raise
            if result.scope == "lane":
                self._stopped = True
            elapsed = time.monotonic() - began
            if elapsed > SILENT_SECONDS and session is None:
                self._stopped = True
            report(place, replace(result, duration_ms=int(elapsed * 1000)))
            if result.code in _NO_SESSION:
                break  # other threads go on with the sessions they have
        if session is not None:
            self._idle.append(session)

    def _one(self, place: int, session: Session | None) -> tuple[Session | None, Result]:
        """The session to go on with, and the result."""
        message = self._messages[place]
        if self._inspector.break_out(message):
            return session, headers.refused()
        try:
            content = self._writer.write(message)
        except UnicodeError:
            return session, exchange.unencodable()
        kept = session or self._take_idle()
        if kept is not None:
            began = time.monotonic()
            try:
                return self._deliver(kept, place, content)
            except _Gone:  # nothing of the message was taken: a fresh session may still do
                if time.monotonic() - began > SILENT_SECONDS:
                    return None, smtp_replies.broken_off()
        fresh = self._open()
        if isinstance(fresh, Result):
            return None, fresh
        try:
            return self._deliver(fresh, place, content)
        except _Gone:
            return None, smtp_replies.broken_off()

    def _deliver(
        self, session: Session, place: int, content: bytes
    ) -> tuple[Session | None, Result]:
        """As _one. Raises _Gone when the session ended and the message was not taken."""
        message = self._messages[place]
        sender = f"bounce+{message.ref}@{mime.domain_of(message.from_email)}"
        recipient = mime.mailbox(message.to)
        if session.needs_utf8(sender, recipient):
            detail = "The mail server cannot take an address with these letters."
            return session, Result(Outcome.REJECTED, None, "smtputf8", detail)
        try:
            reply = session.deliver(sender, recipient, content, lambda: self._wanted(place))
        except Unwanted:
            return None, exchange.not_attempted()
        except Refused as refused:
            now, attempt = self._now(), message.attempt
            result = smtp_replies.judge(refused.stage, refused.reply, now, attempt)
            return _kept(session, refused), result
        except Broken as broken:
            session.close()
            if not broken.at_end:
                raise _Gone from broken
            return None, smtp_replies.no_answer()
        found = _QUEUE_ID.search(reply.text)
        provider_id = (found[1] or found[2]) if found else mime.message_id(message)
        return _unless_spent(session), Result(Outcome.ACCEPTED, provider_id, str(reply))

    def _take_idle(self) -> Session | None:
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return None
            young = time.monotonic() - session.idle_since < IDLE_SECONDS
            if young and session.alive():
                return session
            session.close()


class _Gone(Exception):
    """The session ended before the message was complete at the other side."""


def server_of(url: str, hello: str = "localhost.localdomain") -> Server:
    """Read an SMTP URL; see SmtpConfig."""
    parts = urlsplit(url)
    secure = parts.scheme == "smtps"
    optional = parse_qs(parts.query).get("tls") == ["optional"]
    return Server(
        host=parts.hostname or "",
        port=parts.port or (465 if secure else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls="implicit" if secure else "optional" if optional else "starttls",
        hello=hello,
    )


def _waited(result: Result) -> bool:
    return result.outcome is Outcome.ACCEPTED and result.duration_ms >= _SLOW_MS


def _kept(session: Session, refused: Refused) -> Session | None:
    if refused.reply.code == 421 or not session.reset():
        session.close()
        return None
    return _unless_spent(session)


def _unless_spent(session: Session) -> Session | None:
    if session.delivered >= MESSAGES_PER_SESSION:
        session.close()
        return None
    return session
