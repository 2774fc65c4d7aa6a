"""Decides what happens after a message was taken, and when it is told."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from app.sandbox.events import sendgrid, twilio
from app.sandbox.events.poster import Post, Poster
from app.sandbox.events.settings import AutoEvents, change
from app.sandbox.tags import tag
from app.sandbox.wire import Call

TICK_S: Final = 0.1
_UNKNOWN: Final[sendgrid.Event] = {"event": "teleported", "colour": "octarine", "depth": {"a": [1]}}


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    tell: Callable[[], None] = field(compare=False)


class Emitter:
    """Hears of accepted calls and tells Herald about them later, from a thread of its own."""

    def __init__(self, callback_url: str, key: ec.EllipticCurvePrivateKey) -> None:
        self.callback_url = callback_url
        self.settings = AutoEvents()
        self.poster = Poster()
        self._key = key
        self._due: list[_Due] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._dice = random.Random(7)  # noqa: S311
        self._batch: list[sendgrid.Event] = []

    def start(self) -> None:
        """Begin to tell."""
        self.poster.start()
        threading.Thread(target=self._run, daemon=True, name="emitter").start()

    def configure(self, values: dict[str, Any]) -> None:
        """Change the automatic events. Raises BadSettingsError."""
        self.settings = change(self.settings, values)

    def accepted(self, call: Call) -> None:
        """See desk.Listener."""
        delay = self.settings.delay_s
        if call.provider == "sendgrid":
            if self.settings.processed:
                self.later(delay / 2, lambda: self._tell_processed(call))
            if self.settings.delivered:
                self.later(delay, lambda: self._tell_outcome(call))
        elif call.provider == "twilio" and self.settings.delivered:
            self._follow_text(call, delay)

    def later(self, seconds: float, tell: Callable[[], None]) -> None:
        """Do something in a while; 0 is at the next tick."""
        due = _Due(time.monotonic() + seconds, next(self._numbers), tell)
        with self._lock:
            heapq.heappush(self._due, due)

    def emit(self, events: list[sendgrid.Event]) -> None:
        """Put SendGrid events into the next posts."""
        copies = events * self.settings.duplicate
        with self._lock:
            self._batch.extend(copies)

    def text_from(self, sender: str, body: str, opt_out: str) -> None:
        """A person sends us a text."""
        url = f"{self.callback_url}/hooks/twilio/inbound"
        self._carry(twilio.inbound_post(url, sender, body, opt_out, self.settings.signature))

    def figures(self) -> dict[str, int]:
        """How many things are still to be told, and what became of the posts."""
        return {"scheduled": len(self._due), **self.poster.figures()}

    def reset(self) -> None:
        """Forget what was scheduled and go back to the default settings."""
        with self._lock:
            self._due.clear()
            self._batch.clear()
        self.settings = AutoEvents()

    def _tell_processed(self, call: Call) -> None:
        args = sendgrid.custom_args(call.facts["mail"])
        for at, own in enumerate(args):
            if tag(call.recipients[at].to) != "dropped":
                self.emit(sendgrid.events(call, at, own, (sendgrid.PROCESSED,)))

    def _tell_outcome(self, call: Call) -> None:
        args = sendgrid.custom_args(call.facts["mail"])
        for at, own in enumerate(args):
            kind = tag(call.recipients[at].to)
            if not kind and self._happens(self.settings.bounced):
                kind = "bounce"
            course = sendgrid.COURSES.get(kind, sendgrid.COURSES[""])
            extra = (_UNKNOWN,) if self.settings.unknown else ()
            self.emit(sendgrid.events(call, at, own, (*course, *extra)))

    def _follow_text(self, call: Call, delay: float) -> None:
        course = twilio.course(call.recipients[0].to)
        if course is twilio.ORDINARY and self._happens(self.settings.undelivered):
            course = twilio.UNDELIVERED
        for step, (status, error) in enumerate(course, 1):
            wait = delay * step / len(course)
            self.later(wait, lambda s=status, e=error: self._tell_status(call, s, e))  # type: ignore[misc]

    def _tell_status(self, call: Call, status: str, error: str) -> None:
        post = twilio.status_post(call, status, error, self.settings.signature)
        for _ in range(self.settings.duplicate if post else 0):
            self._carry(post)

    def _carry(self, post: Post | None) -> None:
        if post is not None:
            self.poster.send(post)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._dice.random() < share

    def _run(self) -> None:
        while True:
            time.sleep(TICK_S)
            for due in self._pop():
                due.tell()
            self._flush()
            self.poster.release()

    def _pop(self) -> list[_Due]:
        now = time.monotonic()
        found = []
        with self._lock:
            while self._due and self._due[0].at <= now:
                found.append(heapq.heappop(self._due))
        return found

    def _flush(self) -> None:
        with self._lock:
            events, self._batch = self._batch, []
        if self.settings.shuffle:
            self._dice.shuffle(events)
        url = f"{self.callback_url}/hooks/sendgrid"
        settings = self.settings
        for post in sendgrid.posts(events, url, self._key, settings.signature, settings.batch):
            self.poster.send(post)
