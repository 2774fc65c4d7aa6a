"""A campaign from launch to the end, and the books that have to balance."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Contact, Device, Preference, Suppression
from app.campaigns import clockwork, lifecycle, waterfall
from app.campaigns.models import Campaign
from app.db import transaction
from app.errors import Conflict, Invalid
from app.sending import ledger
from app.sending.models import Notification
from tests.support.launching import draft, fan_out, launch
from tests.support.sending import House


def state(campaign_id: int) -> Campaign:
    """The campaign as it is now."""
    with transaction() as session:
        return session.get_one(Campaign, campaign_id)


def rows(campaign_id: int) -> list[Notification]:
    """Its messages."""
    with transaction() as session:
        wanted = select(Notification).where(Notification.campaign_id == campaign_id)
        return list(session.scalars(wanted.order_by(Notification.id)))


def people(house: House, number: int) -> None:
    """A crowd in which everything occurs: no address, opt-outs, suppressions, shared addresses."""
    chance = random.Random(7)
    with transaction() as session:
        for n in range(number):
            _person(session, house, n, chance)


def _person(session: Session, house: House, n: int, chance: random.Random) -> None:
    email = chance.choice([None, f"p{n}@example.com", "shared@example.com"])
    phone = chance.choice([None, f"+4477009{n:05d}"])
    contact = Contact(external_id=f"p{n}", first_name=f"P{n}", email=email, phone=phone)
    session.add(contact)
    session.flush()
    if chance.random() < 0.3:
        session.add(Device(contact_id=contact.id, platform="ios", token=f"{n:064x}", app="a.b"))
    if chance.random() < 0.3:
        choice = {"opted_in": False, "source": "test", "at": datetime.now(UTC)}
        topic, channel = house.topics["offers"], chance.choice(["email", "sms", "ios"])
        session.add(Preference(contact_id=contact.id, topic_id=topic, channel=channel, **choice))
    if email and email != "shared@example.com" and chance.random() < 0.2:
        session.add(Suppression(kind="email", address=email, reason="bounce", source="test"))


def test_every_person_gets_it_once_and_the_sums_add_up(house: House) -> None:
    people(house, 60)
    key = draft(house)
    launch(key)
    house.deliver_all()
    with transaction() as session:
        assert clockwork.close_finished(session, datetime.now(UTC)) == 1
        counted = ledger.totals(session, key)

    campaign = state(key)
    assert (campaign.status, campaign.people) == ("sent", 60)
    statuses = Counter(row.status for row in rows(key))
    by_status: Counter[str] = Counter()
    for (_, status, _), number in counted.items():
        by_status[status] += number
    assert statuses == by_status
    assert sum(statuses.values()) == 60
    journal = [line["to"] for line in house.sandbox.journal()]
    assert len(journal) == len(set(journal)) == statuses["accepted"]


@pytest.mark.parametrize("strategy", ["all", "first"])
def test_an_address_two_people_share_is_written_to_once_however_far_apart_they_are(
    house: House, strategy: str
) -> None:
    people(house, 40)
    key = draft(house, channels=["email"], strategy=strategy)
    launch(key, chunk=7)

    shared = [row for row in rows(key) if row.address == "shared@example.com"]
    assert [row.status for row in shared] == ["queued"]
    again = [row for row in rows(key) if row.reason == "duplicate_address"]
    with transaction() as session:
        sharing = select(Contact.id).where(Contact.email == "shared@example.com")
        first, *others = sorted(session.scalars(sharing))
    assert [row.contact_id for row in shared] == [first]
    assert sorted(row.contact_id or 0 for row in again) == others
    assert {(row.status, row.address) for row in again} == {("skipped", None)}
    assert state(key).people == len({row.contact_id for row in rows(key)}) == 40


@pytest.mark.parametrize("chunk", [10_000, 1])
def test_whose_address_was_taken_is_reached_by_the_next_channel(house: House, chunk: int) -> None:
    house.contact("ada", email="shared@example.com")
    bob = house.contact("bob", email="shared@example.com", phone="+447700900123")
    key = draft(house, channels=["email", "sms"], strategy="first")
    launch(key, chunk=chunk)
    house.deliver_all()
    reached = {(row.contact_id, row.channel): row.status for row in rows(key)}
    assert reached[bob, "sms"] == "accepted"
    assert {line["to"] for line in house.sandbox.journal()} == {
        "shared@example.com",
        "+447700900123",
    }
    with transaction() as session:
        clockwork.close_finished(session, datetime.now(UTC))
    assert (state(key).status, state(key).people) == ("sent", 2)


@pytest.mark.parametrize("strategy", ["all", "first"])
def test_the_waterfall_foretells_what_happens(house: House, strategy: str) -> None:
    people(house, 60)
    key = draft(house, channels=["ios", "email", "sms"], strategy=strategy)
    with transaction() as session:
        planned = waterfall.count(session, session.get_one(Campaign, key), datetime.now(UTC))
    assert planned.matched == 60
    assert planned.matched == planned.receive + sum(line.people for line in planned.lines)

    launch(key)
    house.deliver_all()
    reached = {row.contact_id for row in rows(key) if row.status == "accepted"}
    assert len(reached) == planned.receive
    per_channel = Counter(
        channel
        for _, channel in {
            (row.contact_id, row.channel) for row in rows(key) if row.status == "accepted"
        }
    )
    assert per_channel == planned.by_channel


def test_a_fan_out_that_runs_twice_makes_each_row_once(house: House) -> None:
    people(house, 20)
    key = draft(house)
    launch(key)
    with transaction() as session:
        campaign = session.get_one(Campaign, key)
        campaign.status, campaign.fanned_out_to = "launching", 0
    before = [row.address for row in rows(key) if row.address]
    fan_out(key)
    assert sorted(row.address for row in rows(key) if row.address) == sorted(before)


def test_a_paused_campaign_hands_nothing_over_until_it_is_resumed(house: House) -> None:
    people(house, 20)
    key = draft(house)
    launch(key)
    with transaction() as session:
        lifecycle.pause(session, key, datetime.now(UTC))
    assert house.deliver_all() == 0
    assert house.sandbox.journal() == []
    with transaction() as session:
        lifecycle.resume(session, key, datetime.now(UTC))
    assert house.deliver_all() == 1


def test_a_cancelled_campaign_never_sends_the_rest(house: House) -> None:
    people(house, 20)
    key = draft(house)
    launch(key)
    with transaction() as session:
        lifecycle.cancel(session, key, datetime.now(UTC))
    with transaction() as session:
        while lifecycle.cancel_some(session, key, datetime.now(UTC)):
            pass
    assert house.deliver_all() == 0
    assert {row.status for row in rows(key)} == {"cancelled", "skipped"}


def test_a_scheduled_campaign_starts_once_at_its_time(house: House) -> None:
    people(house, 3)
    due = (datetime.now(UTC) + timedelta(days=30)).replace(
        hour=17, minute=0, second=0, microsecond=0
    )
    wall = due.astimezone(ZoneInfo("Europe/Berlin"))
    key = draft(house, wall_time=f"{wall:%Y-%m-%dT%H:%M}", zone="Europe/Berlin")
    with transaction() as session:
        lifecycle.approve(session, key, None, datetime.now(UTC))
    assert state(key).status == "scheduled"
    with transaction() as session:
        assert clockwork.start_due(session, due - timedelta(seconds=1)) == 0
        assert clockwork.start_due(session, due) == 1
        assert clockwork.start_due(session, due) == 0


def test_a_draft_without_audience_content_or_topic_is_refused_with_all_reasons(
    house: House,
) -> None:
    key = draft(house, channels=["email", "sms"], topic_id=None, include_match="any")
    with transaction() as session:
        campaign = session.get_one(Campaign, key)
        campaign.include_segments = []
        campaign.version_id = None
    with transaction() as session, pytest.raises(Invalid) as refused:
        lifecycle.approve(session, key, None, datetime.now(UTC))
    codes = [field.code for field in refused.value.fields]
    assert codes == ["no_audience", "no_topic", "no_content", "no_content"]


def test_two_people_who_launch_at_once_launch_once(house: House) -> None:
    people(house, 3)
    key = draft(house)
    launch(key)
    with transaction() as session, pytest.raises(Conflict):
        lifecycle.approve(session, key, None, datetime.now(UTC))
