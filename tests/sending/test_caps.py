"""The frequency cap: messages are counted, not devices, and no two batches take one place."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.accounts import workspace
from app.campaigns.models import Campaign
from app.db import db, transaction
from app.sending import batches, deliver, planning, rules
from app.sending.leases import LeaseKeeper
from app.sending.models import Attempt, Batch, CapHold, Copy, Notification
from app.sending.requests import Recipient
from app.signing import Signer
from tests.support.sending import House

PEOPLE = 30


def cap(messages: int, days: int = 7, **more: Any) -> None:
    """Set the workspace's cap."""
    with transaction() as session:
        found = workspace.get(session)
        wanted = replace(found, cap=workspace.Cap(messages, days, **more))
        workspace.save(session, wanted, None, datetime.now(UTC))


def campaign(name: str, **fields: Any) -> int:
    """A campaign that is being sent."""
    with transaction() as session:
        made = Campaign(name=name, status="sending", **fields)
        session.add(made)
        session.flush()
        return made.id


def offer(house: House, campaign_id: int | None = None, **wishes: Any) -> list[int]:
    """A marketing message to everybody in one batch, as a campaign's fan-out makes it."""
    keys = house.accept_for_all(PEOPLE, topic="offers", **wishes)
    with transaction() as session:
        mine = Notification.id.in_(keys)
        session.execute(update(Notification).where(mine).values(campaign_id=campaign_id))
        session.execute(
            update(Batch).where(Batch.ids.overlap(keys)).values(campaign_id=campaign_id)
        )
    return keys


def outcomes(keys: list[int]) -> dict[tuple[str, str | None], int]:
    """(status, reason) -> how many."""
    found: dict[tuple[str, str | None], int] = {}
    with transaction() as session:
        for row in session.scalars(select(Notification).where(Notification.id.in_(keys))):
            pair = (row.status, row.reason or row.hold_reason)
            found[pair] = found.get(pair, 0) + 1
    return found


@pytest.fixture
def people(house: House) -> list[int]:
    """People with an address and a number each."""
    return house.crowd(PEOPLE)


def test_campaigns_that_race_for_a_person_cannot_both_win(house: House, people: list[int]) -> None:
    cap(1)
    house.sandbox.fault("sendgrid", fault="delay", seconds=0.5)
    groups = [offer(house, campaign(f"c{n}"), channels=("email",)) for n in range(4)]
    with transaction() as session:
        batches = session.scalars(select(Batch.id)).all()

    def work(batch_id: int) -> None:
        with house.app.app_context():
            deliver.deliver(house.engine, LeaseKeeper(house.app, house.engine), batch_id)

    threads = [threading.Thread(target=work, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    journal = house.sandbox.journal(provider="sendgrid")
    assert len(journal) == len({line["to"] for line in journal}) == PEOPLE
    assert sum(outcomes(group).get(("skipped", "over_cap"), 0) for group in groups) == 3 * PEOPLE
    with transaction() as session:
        assert session.scalars(select(CapHold)).all() == []


def test_a_batch_waits_for_the_one_that_is_counting_the_same_people(
    house: House, people: list[int]
) -> None:
    cap(1)
    offer(house, campaign("one"), channels=("email",))
    late = offer(house, campaign("two"), channels=("email",))
    now = datetime.now(UTC)

    def work(batch_id: int) -> None:
        with house.app.app_context():
            deliver.deliver(house.engine, LeaseKeeper(house.app, house.engine), batch_id)

    with transaction() as session:
        one, two = session.scalars(select(Batch.id).order_by(Batch.id)).all()
        claim = batches.claim(session, one, "first", now)
        assert claim is not None
        made = planning.plan(session, house.engine, claim, rules.current(session), now)
        assert len(made.rows) == PEOPLE
        other = threading.Thread(target=work, args=[two])
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(30)
    assert outcomes(late) == {("skipped", "over_cap"): PEOPLE}


class Meanwhile(Mapping[str, Signer]):
    """Signers; whoever asks for one is rendering, and in the meantime somebody pauses the lane."""

    def __init__(self, signers: Mapping[str, Signer]) -> None:
        self._signers = signers

    def __getitem__(self, key: str) -> Signer:
        with db.engine.begin() as other:
            other.execute(
                text(
                    "insert into lane_state (channel, lane, paused_at, paused_by) "
                    "values ('email', 'bulk', now(), 'Ann') on conflict do nothing"
                )
            )
        return self._signers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signers)

    def __len__(self) -> int:
        return len(self._signers)


@pytest.mark.parametrize("capped", [True, False])
def test_a_refused_dispatch_leaves_nothing_behind(
    house: House, people: list[int], capped: bool
) -> None:
    if capped:
        cap(1)
    keys = offer(house, campaign("one"), channels=("email",))
    with transaction() as session:
        rules.current(session)  # from now on remembered, as in a process that has been at work
    slow = replace(house.engine, signers=Meanwhile(house.engine.signers))
    assert house.deliver_all(slow) == 0
    assert outcomes(keys) == {("queued", None): PEOPLE}
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        assert (batch.state, batch.dispatched_at) == ("pending", None)
        for table in (CapHold, Copy, Attempt):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_two_devices_are_one_message_and_two_channels_are_two(
    house: House, people: list[int]
) -> None:
    cap(2)
    for n, person in enumerate(people):
        house.device(person, "ios", f"{n:064x}")
        house.device(person, "android", f"{n:0152x}")
    sale = campaign("sale")
    keys = offer(house, sale, channels=("email", "ios", "android"))
    house.deliver_all()
    assert outcomes(keys) == {("accepted", None): 3 * PEOPLE}
    text = offer(house, sale, channels=("sms",))
    house.deliver_all()
    assert outcomes(text) == {("skipped", "over_cap"): PEOPLE}


def test_service_messages_neither_count_nor_are_counted(house: House, people: list[int]) -> None:
    cap(1)
    house.accept(Recipient(external_id="p0"), channels=("email",))
    house.deliver_all()
    keys = offer(house, channels=("email",))
    house.deliver_all()
    assert outcomes(keys) == {("accepted", None): PEOPLE}
    again = house.accept(Recipient(external_id="p0"), channels=("email",)).messages[0].key
    house.deliver_all()
    assert outcomes([again]) == {("accepted", None): 1}


def test_a_message_may_wait_until_there_is_room(house: House, people: list[int]) -> None:
    cap(1, 7, when_full="defer")
    first = offer(house, channels=("email",))
    house.deliver_all()
    second = offer(house, channels=("email",))
    soon = offer(house, channels=("email",), expires_at=datetime.now(UTC) + timedelta(days=2))
    house.deliver_all()
    assert outcomes(second) == {("held", "cap"): PEOPLE}
    assert outcomes(soon) == {("skipped", "over_cap"): PEOPLE}
    handed, waits = house.message(first[0]).handed_at, house.message(second[0]).send_after
    assert handed is not None
    assert waits is not None
    assert waits == handed + timedelta(days=7)


def test_messages_that_meet_in_one_batch_wait_for_each_other(house: House) -> None:
    cap(1, 7, when_full="defer")
    house.contact("ada", email="ada@example.com")
    keys = house.accept_together(Recipient(external_id="ada"), 3, topic="offers")
    house.deliver_all()
    assert outcomes(keys) == {("accepted", None): 1, ("held", "cap"): 2}
    waits = [house.message(key).send_after for key in keys]
    assert all(until > datetime.now(UTC) + timedelta(days=6) for until in waits if until)


def test_the_more_important_campaign_wins(house: House, people: list[int]) -> None:
    cap(1, 7, when_full="priority")
    usual = offer(house, campaign("usual"), channels=("email",))
    vital = offer(house, campaign("vital", importance="high"), channels=("email",))
    house.deliver_all()
    assert outcomes(usual) == {("skipped", "over_cap"): PEOPLE}
    assert outcomes(vital) == {("accepted", None): PEOPLE}


def test_without_a_cap_nothing_is_counted(house: House, people: list[int]) -> None:
    for _ in range(3):
        keys = offer(house, channels=("email",))
        house.deliver_all()
        assert outcomes(keys) == {("accepted", None): PEOPLE}


@pytest.mark.parametrize(
    ("had", "reason"),
    [
        # `send_at` is up to 90 days ahead.
        ({"accepted_at": datetime.now(UTC) - timedelta(days=60)}, "over_cap"),
        ({"handed_at": datetime.now(UTC) - timedelta(days=8)}, None),
        ({"test": True}, None),
    ],
    ids=["accepted long ago", "handed over long ago", "to the sandbox by a test key"],
)
def test_what_was_handed_over_for_real_in_the_window_counts(
    house: House, had: Mapping[str, Any], reason: str | None
) -> None:
    cap(1)
    house.contact("ada", email="ada@example.com")
    first, second = (
        house.accept(Recipient(external_id="ada"), "offers", channels=("email",)).messages[0].key
        for _ in range(2)
    )
    values = {"status": "delivered", "handed_at": datetime.now(UTC)} | had
    with transaction() as session:
        session.execute(update(Notification).where(Notification.id == first).values(values))
    house.deliver_all()
    assert house.message(second).reason == reason
