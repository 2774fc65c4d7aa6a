"""`python -m app.bench.plain.worker`: a Dramatiq worker with one job per recipient.

Per recipient: the person, her suppressions and her choice by the ORM, one row, one rendering, one
call, one update. Links are not rewritten and no cap is counted, which Herald does.
"""

import argparse
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dramatiq import Worker
from jinja2 import Environment, Template
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from app import clock, settings
from app.bench import crowd
from app.bench.plain import calls, queue
from app.bench.plain.calls import Call, Letter
from app.bench.plain.tables import Device, Message, Person, Preference, Suppression

THREADS: Final = 8  # what the dramatiq command starts in each process
READY: Final = "plain_worker_started"
_TITLE_AND_BODY: Final = {
    "email": ("subject", "html"),
    "sms": (None, "body"),
    "ios": ("title", "body"),
    "android": ("title", "body"),
}
_KINDS: Final = {"email": "email", "sms": "phone", "ios": "token", "android": "token"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person is reached; `app` belongs to a device."""

    to: str
    app: str = ""


class Sender:
    """Does one job at a time; threads share it."""

    def __init__(self, engine: Engine, channel: str, topic_id: int, call: Call) -> None:
        self._engine = engine
        self._channel = channel
        self._topic_id = topic_id
        self._call = call
        self._title, self._body = _templates(channel)

    def hand_over(self, person_id: int) -> None:
        """The job."""
        with Session(self._engine) as session:
            person = session.get_one(Person, person_id)
            where = self._address(session, person)
            if where is None or self._is_unwanted(session, person, where):
                return
            row = Message(
                person_id=person.id, address=where.to, template="news", data={}, status="sending"
            )
            session.add(row)
            session.commit()
            row.provider_id = self._call(self._letter(person, where))
            row.status, row.sent_at = "sent", clock.now()
            session.commit()

    def _address(self, session: Session, person: Person) -> Address | None:
        if self._channel == "email":
            return Address(person.email) if person.email else None
        if self._channel == "sms":
            return Address(person.phone) if person.phone else None
        device = session.scalar(select(Device).where(Device.contact_id == person.id).limit(1))
        return Address(device.token, device.app) if device else None

    def _is_unwanted(self, session: Session, person: Person, where: Address) -> bool:
        found = select(Suppression.id).where(
            Suppression.kind == _KINDS[self._channel], Suppression.address == where.to
        )
        choice = session.get(Preference, (person.id, self._topic_id, self._channel))
        return (choice is not None and not choice.opted_in) or session.scalar(found) is not None

    def _letter(self, person: Person, where: Address) -> Letter:
        words = {
            "first_name": person.first_name,
            "country": person.country,
            "attributes": person.attributes,
            "preferences_url": f"https://example.com/preferences/{person.id}",
            "unsubscribe_url": f"https://example.com/unsubscribe/{person.id}",
        }
        return Letter(where.to, self._title.render(words), self._body.render(words), where.app)


def _templates(channel: str) -> tuple[Template, Template]:
    environment = Environment(autoescape=channel == "email")  # noqa: S701 - texts are not HTML
    title, body = _TITLE_AND_BODY[channel]
    given = crowd.content()[channel]
    return environment.from_string(given[title] if title else ""), environment.from_string(
        given[body]
    )


def serve(redis_url: str, work: Callable[[int], None]) -> None:
    """Work off the queue until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker = queue.broker(redis_url)
    queue.hand_over(broker, work)
    worker = Worker(broker, worker_threads=THREADS)
    worker.start()
    print(READY, flush=True)  # noqa: T201 - who started us waits for it
    stop.wait()
    worker.stop(timeout=5_000)


def main() -> None:
    """From the environment and the command line."""
    parser = argparse.ArgumentParser(description="Send one lane's messages, one job each.")
    parser.add_argument("--channel", required=True)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--topic", type=int, required=True)
    chosen = parser.parse_args()
    found = settings.load()
    engine = create_engine(found.database_url, pool_size=THREADS)
    call = calls.make(chosen.provider, found.providers)
    sender = Sender(engine, chosen.channel, chosen.topic, call)
    serve(found.redis_url, sender.hand_over)


if __name__ == "__main__":
    main()
