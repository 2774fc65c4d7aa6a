"""Running the baseline of `herald bench send` and taking its time."""

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from app.bench import figures, usage
from app.bench.crowd import Crowd
from app.bench.figures import NotReal
from app.bench.plain import queue, worker
from app.bench.plain.tables import Base
from app.bench.scratch import Scratch
from app.db import db, transaction
from app.supervisor.programs import python

LONGEST: Final = 600.0
NAME: Final = "plain-worker"


@dataclass(frozen=True, slots=True)
class Found:
    """Messages per second and microseconds per message, by process."""

    per_second: float
    cpu_us: dict[str, float]


def start(house: Scratch, channel: str, provider: str, crowd: Crowd, processes: int) -> None:
    """Run so many worker processes beside Herald's; 0: one per core, as Dramatiq does."""
    Base.metadata.create_all(db.engine, [Base.metadata.tables["plain_message"]])
    words = ["--channel", channel, "--provider", provider, "--topic", str(crowd.topic_id)]
    names = [f"{NAME}-{number}" for number in range(processes or usage.cores())]
    for name in names:
        house.start(name, python("app.bench.plain.worker", *words))
    for name in names:
        house.await_log(name, worker.READY)


def run(house: Scratch, recipients: int) -> Found:
    """Send to the first people, one job each. Raises NotReal when not all were handed over."""
    with transaction() as session:
        session.execute(text("truncate plain_message"))
        people = session.scalars(
            text("select id from contact order by id limit :n"), {"n": recipients}
        ).all()
    job = queue.hand_over(queue.broker(house.settings.redis_url), _elsewhere)
    place, before, began = house.journal.end(), house.cpu_seconds(), time.time()
    for person in people:
        job.send(person)
    seconds = _await_sent(house, len(people)) - began
    used = figures.cpu_us(before, house.cpu_seconds(), recipients)
    house.journal.must_hold(place, recipients, ours=False)
    return Found(recipients / seconds, used)


def _await_sent(house: Scratch, expected: int) -> float:
    """The moment (seconds since the epoch) at which the last message was recorded as sent."""
    end, sent, last = time.monotonic() + LONGEST, 0, 0.0
    while sent < expected:
        if time.monotonic() > end:
            raise NotReal(f"The baseline sent {sent:,} of {expected:,} messages.")
        time.sleep(0.1)
        house.must_be_well()
        with transaction() as session:
            sent, last = session.execute(
                text(
                    "select count(*), coalesce(extract(epoch from max(sent_at)), 0)::float "
                    "from plain_message where status = 'sent'"
                )
            ).one()
    return last


def _elsewhere(_person_id: int) -> None:
    """This process only asks; the worker has the job itself."""
