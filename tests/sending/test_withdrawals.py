"""What is withdrawn while its batch is being handed over does not leave any more."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.campaigns.models import Campaign
from app.db import transaction
from app.sending import control, deliver, installation
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch, Notification
from tests.support.sending import House

PEOPLE = 200
SLOW_SECONDS = 1.3


@pytest.fixture
def people(house: House) -> list[int]:
    """Marketing texts to many people in one batch; the provider takes its time."""
    house.sandbox.fault("twilio", fault="delay", seconds=SLOW_SECONDS)
    keys = house.crowd(PEOPLE)
    house.accept_for_all(PEOPLE, topic="offers", channels=("sms",))
    return keys


@contextmanager
def being_sent(house: House) -> Iterator[LeaseKeeper]:
    """The batch is on its way out while the block runs."""
    with transaction() as session:
        batch_id = session.scalars(select(Batch.id)).one()
    leases = LeaseKeeper(house.app, house.engine)

    def work() -> None:
        with house.app.app_context():
            deliver.deliver(house.engine, leases, batch_id)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(1.2)
    yield leases
    thread.join(30)
    assert not thread.is_alive()


def handed_over(house: House) -> set[str]:
    """Numbers the provider has got."""
    return {line["to"] for line in house.sandbox.journal(provider="twilio")}


def statuses(keys: list[int]) -> set[tuple[str, str | None]]:
    """What became of the messages to these people."""
    with transaction() as session:
        found = session.execute(
            select(Notification.status, Notification.reason).where(
                Notification.contact_id.in_(keys)
            )
        )
        return {(row[0], row[1]) for row in found}


def test_an_opt_out_counts_for_what_has_not_begun(house: House, people: list[int]) -> None:
    late = people[-8:]
    with being_sent(house):
        for person in late:
            house.opt_out(person, "offers", "sms")
    assert len(handed_over(house)) == PEOPLE - len(late)
    assert statuses(late) == {("queued", None)}, "not begun, so decided anew"
    house.deliver_all()
    assert statuses(late) == {("skipped", "opted_out")}
    assert len(handed_over(house)) == PEOPLE - len(late)


def test_what_is_over_before_its_turn_comes_does_not_leave(house: House) -> None:
    house.sandbox.fault("twilio", fault="delay", seconds=SLOW_SECONDS)
    keys = house.crowd(PEOPLE)
    over = datetime.now(UTC) + timedelta(seconds=SLOW_SECONDS)
    house.accept_for_all(PEOPLE, topic="offers", channels=("sms",), expires_at=over)
    with being_sent(house):
        pass
    gone = len(handed_over(house))
    assert 0 < gone < PEOPLE
    house.deliver_all()
    assert len(handed_over(house)) == gone
    assert statuses(keys) == {("accepted", None), ("expired", "expired")}


@pytest.mark.parametrize("who", ["campaign", "lane", "installation", "process"])
def test_a_pause_stops_a_batch_in_the_middle(house: House, people: list[int], who: str) -> None:
    with transaction() as session:
        campaign = Campaign(name="Sale", status="sending")
        session.add(campaign)
        session.flush()
        session.execute(update(Batch).values(campaign_id=campaign.id))
        campaign_id = campaign.id
    with being_sent(house) as leases:
        if who == "process":
            leases.stop_beginning()
        with transaction() as session:
            if who == "campaign":
                session.get_one(Campaign, campaign_id).status = "paused"
            elif who == "lane":
                control.pause_lane(session, "sms", "transactional", "Ann", datetime.now(UTC))
                control.pause_lane(session, "sms", "bulk", "Ann", datetime.now(UTC))
            elif who == "installation":
                var_dir = house.app.config["HERALD"].var_dir
                installation.examine(session, var_dir, datetime.now(UTC))
                installation.set_hold(session, "Ann", "We move", datetime.now(UTC))
    gone = len(handed_over(house))
    assert 0 < gone < PEOPLE
    with transaction() as session:
        left = session.scalars(select(Batch).where(Batch.state == "pending")).one()
    assert len(left.ids) == PEOPLE - gone
    assert all(house.message(key).attempts == 0 for key in left.ids[:3])
