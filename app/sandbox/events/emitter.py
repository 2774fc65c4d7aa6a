"""Decides what happens after a message was taken, and when it is told."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from app.sandbox.events import people, sendgrid, twilio
from app.sandbox.events.poster import Poster
from app.sandbox.events.settings import AutoEvents, change
from app.sandbox.tags import tag
from app.sandbox.texts import Texts
from app.sandbox.wire import Call

TICK_S: Final = 0.1
_UNKNOWN: Final[sendgrid.Event] = {"event": "teleported", "colour": "octarine", "depth": {"a": [1]}}
_UNREAD: Final = frozenset({"bounce", "blocked", "dropped"})


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    tell: Callable[[], None] = field(compare=False)


class Emitter:
    """Hears of accepted calls and tells Herald about them later, from a thread of its own."""

    def __init__(
        self, callback_url: str, key: ec.EllipticCurvePrivateKey, settings: AutoEvents
    ) -> None:
        self.callback_url = callback_url
        self.settings = settings
        self._first_settings = settings
        self.poster = Poster()
        self.texts = Texts()
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
        settings = self.settings
        if call.provider == "twilio":
            self.texts.add(call)
        if call.provider == "sendgrid":
            if settings.processed:
                self._later(settings.delay_s / 2, partial(self._tell_processed, call))
            if settings.delivered:
                self._later(settings.delay_s, partial(self._tell_outcome, call))
        elif call.provider == "twilio" and settings.delivered:
            self._follow_text(call)
        if settings.opened or settings.clicked:
            self._let_read(call)

    def emit(self, events: list[sendgrid.Event], wait: float = 0) -> None:
        """Put SendGrid events into a post, after some seconds."""
        if wait:
            self._later(wait, partial(self.emit, events))
            return
        copies = events * self.settings.duplicate
        with self._lock:
            self._batch.extend(copies)

    def text_from(self, sender: str, body: str, opt_out: str) -> None:
        """A person sends us a text."""
        url = f"{self.callback_url}/hooks/twilio/inbound"
        self.poster.send(twilio.inbound_post(url, sender, body, opt_out, self.settings.signature))

    def tell_status(self, text: twilio.Text, status: str, error: str) -> None:
        """One status callback, as often as the settings say."""
        self.texts.move(text.sid, status, error)
        post = twilio.status_post(text, status, error, self.settings.signature)
        if post is not None:
            for _ in range(self.settings.duplicate):
                self.poster.send(post)

    def figures(self) -> dict[str, int]:
        """How many things are still to be told, and what became of the posts."""
        return {"scheduled": len(self._due), **self.poster.figures()}

    def reset(self) -> None:
        """Forget what was scheduled and go back to the settings of the start."""
        with self._lock:
            self._due.clear()
            self._batch.clear()
        self.texts.reset()
        self.settings = self._first_settings

    def _later(self, seconds: float, tell: Callable[[], None]) -> None:
        due = _Due(time.monotonic() + seconds, next(self._numbers), tell)
        with self._lock:
            heapq.heappush(self._due, due)

    def _tell_processed(self, call: Call) -> None:
        found: list[sendgrid.Event] = []
        for at, own in enumerate(sendgrid.custom_args(call.facts["mail"])):
            if tag(call.recipients[at].to) != "dropped":
                found += sendgrid.events(call, at, own, (sendgrid.PROCESSED,))
        self.emit(found)

    def _tell_outcome(self, call: Call) -> None:
        extra = (_UNKNOWN,) if self.settings.unknown else ()
        found: list[sendgrid.Event] = []
        for at, own in enumerate(sendgrid.custom_args(call.facts["mail"])):
            kind = tag(call.recipients[at].to)
            if not kind and self._happens(self.settings.bounced):
                kind = "bounce"
            course = sendgrid.COURSES.get(kind, sendgrid.COURSES[""])
            found += sendgrid.events(call, at, own, (*course, *extra))
        self.emit(found)

    def _follow_text(self, call: Call) -> None:
        text = twilio.Text.of(call)
        course = twilio.course(text.to)
        if course is twilio.ORDINARY and self._happens(self.settings.undelivered):
            course = twilio.UNDELIVERED
        for step, (status, error) in enumerate(course, 1):
            wait = self.settings.delay_s * step / len(course)
            self._later(wait, partial(self.tell_status, text, status, error))

    def _let_read(self, call: Call) -> None:
        """Some of the readers open, and some of those who open click."""
        settings = self.settings
        for at, person in enumerate(call.recipients):
            clicks = self._happens(settings.clicked)
            opens = clicks or self._happens(settings.opened)
            if opens and tag(person.to) not in _UNREAD:
                wait = settings.delay_s + settings.people_delay_s * (0.5 + self._dice.random())
                self._later(wait, partial(self._read, call, at, clicks))

    def _read(self, call: Call, at: int, clicks: bool) -> None:
        letter = people.letter_of(call, at)
        if letter is None:
            return
        for post in people.visits(letter, self.callback_url, self._dice, opens=True, clicks=clicks):
            self.poster.send(post)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._dice.random() < share

    def _run(self) -> None:
        while True:
            time.sleep(TICK_S)
            for due in self._pop():
                due.tell()
            self._flush()

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
        if not events:
            return
        settings = self.settings
        if settings.shuffle:
            self._dice.shuffle(events)
        url = f"{self.callback_url}/hooks/sendgrid"
        for post in sendgrid.posts(events, url, self._key, settings.signature, settings.batch):
            self.poster.send(post)
