"""Push tokens: registered, moved, retired."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.audience import contacts, devices
from app.errors import Invalid, NotFound

IOS = "a1" * 32
ANDROID = "fGh_-:" * 20


@pytest.fixture
def ada(session: Session, now: datetime) -> int:
    return contacts.upsert(session, "ada", {}, now).contact_id


@pytest.fixture
def bob(session: Session, now: datetime) -> int:
    return contacts.upsert(session, "bob", {}, now).contact_id


def register(session: Session, person: int, now: datetime, token: str = IOS) -> devices.Device:
    return devices.register(session, person, "ios", token, "com.example", "production", now)[0]


def test_a_token_moves_to_the_person_who_registered_it_last(
    session: Session, ada: int, bob: int, now: datetime
) -> None:
    register(session, ada, now)
    register(session, bob, now)
    assert devices.of_contact(session, ada) == []
    assert devices.owner(session, IOS) == bob


def test_an_ios_token_has_one_spelling(session: Session, ada: int, now: datetime) -> None:
    register(session, ada, now)
    register(session, ada, now, IOS.upper())
    assert [device.token for device in devices.of_contact(session, ada)] == [IOS]


def test_a_dead_token_is_retired_and_lives_again_when_registered(
    session: Session, ada: int, now: datetime
) -> None:
    device = register(session, ada, now)
    assert devices.disable(session, device.id, "Unregistered", now)
    assert not devices.disable(session, device.id, "Unregistered", now)
    assert register(session, ada, now).disabled_at is None


def test_an_old_death_does_not_retire_a_new_life(session: Session, ada: int, now: datetime) -> None:
    device = register(session, ada, now)
    before = now - timedelta(days=1)
    assert not devices.disable(session, device.id, "Unregistered", now, registered_before=before)


def test_devices_retired_long_ago_are_deleted(session: Session, ada: int, now: datetime) -> None:
    device = register(session, ada, now)
    devices.disable(session, device.id, "Unregistered", now)
    assert devices.prune(session, now + timedelta(days=89)) == 0
    assert devices.prune(session, now + timedelta(days=91)) == 1


def test_a_person_keeps_the_fifty_devices_seen_last(
    session: Session, ada: int, now: datetime
) -> None:
    for number in range(52):
        register(session, ada, now + timedelta(minutes=number), f"{number:064x}")
    kept = devices.of_contact(session, ada)
    assert len(kept) == devices.DEVICES_MAX
    assert kept[-1].token == f"{2:064x}"


@pytest.mark.parametrize(
    ("platform", "token", "package", "environment", "pointer"),
    [
        ("windows", IOS, "", "production", "/platform"),
        ("ios", "xyz", "", "production", "/token"),
        ("android", "short", "", "production", "/token"),
        ("android", "with space in it, and more", "", "production", "/token"),
        ("ios", IOS, "com/example", "production", "/app"),
        ("ios", IOS, "", "staging", "/environment"),
    ],
)
def test_a_wrong_device_is_refused(
    session: Session,
    ada: int,
    now: datetime,
    platform: str,
    token: str,
    package: str,
    environment: str,
    pointer: str,
) -> None:
    with pytest.raises(Invalid) as refused:
        devices.register(session, ada, platform, token, package, environment, now)
    assert [field.pointer for field in refused.value.fields] == [pointer]


def test_a_device_that_is_not_there_cannot_be_removed(
    session: Session, ada: int, now: datetime
) -> None:
    register(session, ada, now)
    devices.remove(session, ada, IOS.upper())
    with pytest.raises(NotFound):
        devices.remove(session, ada, IOS)
