"""Limits in messages per second hold on the wire, by the times of the sandbox's journal."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app import clock, ids, jobs
from app.audience.models import Contact
from app.campaigns import clockwork, lifecycle
from app.db import transaction
from app.sending import control, deliver, pace, sweep, turns
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch, Notification
from app.sending.requests import Recipient
from tests.support.launching import draft, launch
from tests.support.sending import House

LOOK = 0.25  # how often the clock looks after limits
RATE = 20


@pytest.fixture
def engine_room(house: House) -> "EngineRoom":
    """The clock and one worker of e-mail."""
    return EngineRoom(house)


class EngineRoom:
    """Does what the scheduler and a worker do, by way of the real queue."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._leases = LeaseKeeper(house.app, house.engine)
        self.delivered = 0

    def run(self, seconds: float) -> None:
        """For so long, or until nothing is pending."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and pending():
            due = time.monotonic() + LOOK
            with transaction() as session:
                turns.nudge_paced(session, self._house.engine, clock.now())
            self.work_off()
            time.sleep(max(0.0, due - time.monotonic()))

    def work_off(self) -> None:
        """Everything that lies in the queues, codes first."""
        for lane in ("transactional", "bulk"):
            consumer = jobs.broker().consume(f"email.{lane}", prefetch=1000, timeout=1)
            while (message := next(consumer)) is not None:
                deliver.deliver(self._house.engine, self._leases, *message.args)
                consumer.ack(message)
                self.delivered += 1
            consumer.close()


def pending() -> bool:
    """Whether something waits to be handed over."""
    with transaction() as session:
        return session.query(Batch).filter_by(state="pending").first() is not None


def crowd(number: int) -> None:
    """People with an address each."""
    with transaction() as session:
        session.add_all(
            Contact(external_id=f"p{n}", first_name=f"P{n}", email=f"p{n}@example.com")
            for n in range(number)
        )


def moments(lines: list[dict[str, Any]]) -> list[float]:
    """Seconds since the first message."""
    times = sorted(datetime.fromisoformat(line["at"]).timestamp() for line in lines)
    return [moment - times[0] for moment in times]


def most_in_a_second(seconds: list[float]) -> int:
    """The largest number within any one second."""
    return max(sum(start <= other < start + 1 for other in seconds) for start in seconds)


def test_a_campaign_keeps_its_speed(house: House, engine_room: EngineRoom) -> None:
    crowd(40)
    launch(draft(house, rate=RATE))
    engine_room.run(12)
    seconds = moments(house.sandbox.journal(answer="202"))
    assert len(seconds) == 40
    assert 1.6 <= seconds[-1] <= 6, "about two seconds; a busy machine catches nothing up"
    assert most_in_a_second(seconds) <= RATE * 1.5


def test_without_the_limit_the_rest_goes_at_once(house: House, engine_room: EngineRoom) -> None:
    crowd(40)
    key = draft(house, rate=4)
    launch(key)
    engine_room.run(3 * LOOK)
    assert 1 <= len(house.sandbox.journal(answer="202")) <= 4
    with transaction() as session:
        lifecycle.set_rate(session, key, None, datetime.now(UTC))
    with transaction() as session:
        sweep.nudge_forgotten(session, house.engine, datetime.now(UTC))
    engine_room.work_off()
    assert len(house.sandbox.journal(answer="202")) == 40


def waiting(lane: str) -> int:
    """Nudges in a queue of e-mail."""
    return jobs.waiting(f"email.{lane}")


def test_what_waits_for_a_limit_is_asked_for_by_its_clock_alone(
    house: House, engine_room: EngineRoom
) -> None:
    crowd(4)
    launch(draft(house, rate=2))
    engine_room.work_off()
    later = datetime.now(UTC) + 2 * sweep.NUDGE_ANYWAY
    with transaction() as session:
        assert sweep.nudge_forgotten(session, house.engine, later) == 0
        turns.nudge_paced(session, house.engine, later)
    assert waiting("bulk") == 1


def test_a_paused_queue_does_not_keep_the_clock_from_asking_for_others(
    house: House, engine_room: EngineRoom
) -> None:
    crowd(RATE)
    with transaction() as session:
        pace.limit(session, pace.of_provider("sendgrid"), RATE)
        control.pause_lane(session, "email", "transactional", "Sam", datetime.now(UTC))
    for n in range(RATE):
        house.accept(Recipient(email=f"code{n}@example.com"), data={"first_name": "Sam"})
    launch(draft(house))
    engine_room.work_off()
    with transaction() as session:
        turns.nudge_paced(session, house.engine, datetime.now(UTC) + timedelta(seconds=5))
    assert (waiting("transactional"), waiting("bulk")) == (0, 1)


def test_a_limited_queue_without_workers_does_not_grow(house: House) -> None:
    with transaction() as session:
        pace.limit(session, pace.of_provider("sendgrid"), 2 * RATE)
    for n in range(RATE):
        house.accept(Recipient(email=f"code{n}@example.com"), data={"first_name": "Sam"})
    for look in range(20):
        with transaction() as session:
            turns.nudge_paced(session, house.engine, datetime.now(UTC) + timedelta(seconds=look))
    assert waiting("transactional") == RATE


def test_a_campaign_that_is_sent_leaves_no_limit_behind(
    house: House, engine_room: EngineRoom
) -> None:
    crowd(2)
    key = draft(house, rate=1000)
    launch(key)
    with transaction() as session:
        assert pace.rates(session, [pace.of_campaign(key)]) == {pace.of_campaign(key): 1000}
    engine_room.run(3)
    with transaction() as session:
        assert clockwork.close_finished(session, datetime.now(UTC)) == 1
        assert pace.rates(session, [pace.of_campaign(key)]) == {}


def test_two_campaigns_share_a_providers_limit_and_codes_go_first(
    house: House, engine_room: EngineRoom
) -> None:
    crowd(15)
    with transaction() as session:
        pace.limit(session, pace.of_provider("sendgrid"), RATE)
    for _ in range(2):
        launch(draft(house))
    engine_room.run(2 * LOOK)
    codes = [
        house.accept(Recipient(email=f"code{n}@example.com"), data={"first_name": "Sam"})
        for n in range(3)
    ]
    engine_room.run(12)
    lines = sorted(house.sandbox.journal(answer="202"), key=lambda line: str(line["at"]))
    assert len(lines) == 33
    seconds = moments(lines)
    assert 1.2 <= seconds[-1] <= 6
    assert most_in_a_second(seconds) <= RATE * 1.5
    places = [place for place, line in enumerate(lines) if "code" in line["to"]]
    assert len(places) == len(codes)
    assert places[-1] < 33 - RATE / 2, "before the rest of the campaigns"
    bulk = [line for line in lines if "code" not in line["to"]]
    assert min(Counter(map(campaign_of, bulk[:20])).values()) >= 4, "neither waits for the other"


def campaign_of(line: dict[str, Any]) -> int | None:
    """The campaign of a line of the journal."""
    with transaction() as session:
        key = ids.decode("ntf", line["notification"])
        wanted = select(Notification.campaign_id).where(Notification.id == key)
        return session.scalars(wanted).one()
