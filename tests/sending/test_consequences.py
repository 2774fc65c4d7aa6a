"""What follows from an answer beyond its message: addresses, guards, incidents. On the wire."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy import text as text_of

from app import settings as herald_settings
from app.alerts import incidents as alerts
from app.alerts.models import Incident
from app.audience.models import Device, Suppression
from app.db import transaction
from app.sending import domains, mass_removal
from app.sending import engine as engines
from app.sending.engine import Engine
from app.sending.models import Batch, Notification
from app.sending.requests import Recipient
from tests.support.sending import House

PHONE = "+12025551234"
DEVELOPMENT = "5bad5bad" + "0" * 56


def incidents() -> dict[str, Incident]:
    """The open ones, by cause."""
    with transaction() as session:
        rows = session.scalars(select(Incident).where(Incident.resolved_at.is_(None)))
        return {row.cause: row for row in rows}


def suppressed() -> dict[str, tuple[str, str]]:
    with transaction() as session:
        return {
            row.address: (row.reason, row.scope) for row in session.scalars(select(Suppression))
        }


def living(channel: str) -> int:
    with transaction() as session:
        statement = select(func.count()).select_from(Device)
        wanted = (Device.platform == channel, Device.disabled_at.is_(None))
        return session.scalar(statement.where(*wanted)) or 0


def outcomes() -> dict[str, int]:
    """reason or status -> messages."""
    with transaction() as session:
        rows = session.execute(
            select(func.coalesce(Notification.reason, Notification.status), func.count()).group_by(
                func.coalesce(Notification.reason, Notification.status)
            )
        )
        return {row[0]: row[1] for row in rows}


def text(house: House, to: str = PHONE) -> Notification:
    accepted = house.accept(Recipient(phone=to), data={"first_name": "Sam"})
    house.deliver_all()
    return house.message(accepted.messages[0].key)


def owners(house: House, count: int, platform: str, start: str, width: int = 64) -> None:
    """People with one device each, tokens beginning with `start`."""
    for number in range(count):
        person = house.contact(f"{platform}{start[:9]}{number}")
        house.device(person, platform, start + f"{number:0{width - len(start)}d}")


def push_to_all(house: House, platform: str) -> None:
    with transaction() as session:
        people = session.scalars(
            select(Device.contact_id).where(Device.platform == platform).order_by(Device.id)
        ).all()
    for person in people:
        house.accept(Recipient(contact_id=person), channels=(platform,))
    house.deliver_all()


@pytest.fixture
def by_smtp(house: House) -> Engine:
    """An engine whose mail goes by SMTP."""
    found = herald_settings.load(
        {
            "DATABASE_URL": "postgresql://unused",
            "HERALD_VAR_DIR": str(house.sandbox.var_dir),
            "HERALD_SECRET_KEY": house.app.config["SECRET_KEY"],
            "HERALD_PUBLIC_URL": "http://herald.test",
            "EMAIL_PROVIDER": "smtp",
        }
    )
    return engines.build(found, "test")


def mail(house: House, engine: Engine, *people: str) -> list[Notification]:
    keys = []
    for address in people:
        accepted = house.accept(Recipient(email=address), data={"first_name": "Sam"})
        keys.append(accepted.messages[0].key)
    house.deliver_all(engine)
    return [house.message(key) for key in keys]


# --- Addresses


@pytest.mark.parametrize(
    ("code", "reason", "suppression"),
    [
        ("21211", "recipient_dead", ("invalid", "all")),
        ("21614", "recipient_dead", ("invalid", "all")),
        ("21610", "suppressed", ("stop", "all")),
        ("21602", "rejected", None),
        ("21999", "rejected", None),
    ],
)
def test_a_number_is_suppressed_only_for_what_is_its_own_fault(
    house: House, code: str, reason: str, suppression: tuple[str, str] | None
) -> None:
    house.sandbox.fault("twilio", answer={"status": 400, "code": code})
    assert text(house).reason == reason
    assert suppressed().get(PHONE) == suppression


def test_a_mailbox_that_is_full_for_the_third_time_is_suppressed(
    house: House, by_smtp: Engine
) -> None:
    address = "ann+full@example.org"
    house.contact("ann", email=address)
    for times in range(1, 4):
        house.accept(Recipient(external_id="ann"))
        house.deliver_all(by_smtp)
        assert (address in suppressed()) is (times == 3)
    assert suppressed()[address] == ("bounce", "all")


def test_a_policy_refusal_never_suppresses_anybody(house: House, by_smtp: Engine) -> None:
    (message,) = mail(house, by_smtp, "ann+blocked@example.org")
    assert (message.status, message.reason) == ("failed", "rejected")
    assert suppressed() == {}
    incident = incidents()["policy:smtp:example.org"]
    assert incident.severity == "warning"


def test_a_domain_that_refuses_a_fifth_is_held_and_others_are_not(
    house: House, by_smtp: Engine
) -> None:
    mail(house, by_smtp, *[f"p{number}@strict.example" for number in range(9)])
    mail(house, by_smtp, *[f"q{number}+blocked@strict.example" for number in range(3)])
    assert incidents()["policy:smtp:strict.example"].facts["until"]

    held, free = mail(house, by_smtp, "late@strict.example", "late@other.example")
    assert (held.status, held.hold_reason) == ("held", "domain")
    assert timedelta(minutes=14) < held.send_after - datetime.now(UTC) <= timedelta(minutes=15)
    assert free.status == "accepted"


def test_what_another_process_learnt_about_a_domain_holds_a_second_later(
    house: House, by_smtp: Engine
) -> None:
    assert [row.status for row in mail(house, by_smtp, "early@strict.example")] == ["accepted"]
    until = datetime.now(UTC) + timedelta(minutes=15)
    facts = {"domain": "strict.example", "until": until.isoformat()}
    with transaction() as session:
        cause, now = "policy:smtp:strict.example", datetime.now(UTC)
        alerts.open_or_count(session, cause, "It refuses us", "", facts, now)
    time.sleep(domains.REMEMBERED_SECONDS)
    (late,) = mail(house, by_smtp, "late@strict.example")
    assert (late.status, late.hold_reason) == ("held", "domain")


def test_a_device_is_removed_when_its_app_is_gone(house: House) -> None:
    owners(house, 1, "ios", "00000410")
    owners(house, 1, "android", "unregistered-", 30)
    push_to_all(house, "ios")
    push_to_all(house, "android")
    assert (living("ios"), living("android")) == (0, 0)


def test_a_device_that_was_registered_since_is_kept(house: House) -> None:
    owners(house, 1, "ios", "00000410")
    with transaction() as session:
        later = datetime.now(UTC) + timedelta(minutes=5)
        session.execute(update(Device).values(registered_at=later))
    push_to_all(house, "ios")
    assert outcomes() == {"recipient_dead": 1}
    assert living("ios") == 1


def test_a_device_of_the_other_environment_gets_its_message_and_is_corrected(house: House) -> None:
    house.device(house.contact("ada"), "ios", DEVELOPMENT)
    push_to_all(house, "ios")
    assert outcomes() == {"accepted": 1}
    with transaction() as session:
        device = session.scalars(select(Device)).one()
        assert (device.environment, device.disabled_at) == ("sandbox", None)
    push_to_all(house, "ios")
    answers = [line["answer"] for line in house.sandbox.journal()]
    assert answers == ["400 BadDeviceToken", "200", "200"]


# --- The guard against mass removal


def test_when_very_many_devices_die_at_once_none_is_removed(house: House) -> None:
    owners(house, 25, "android", "unregistered-", 30)
    push_to_all(house, "android")
    assert outcomes() == {"recipient_dead": 25}
    gone = 25 - living("android")
    assert gone < mass_removal.FEWEST
    incident = incidents()["mass_removal:android:herald.example.app"]
    assert incident.severity == "critical"


def test_a_few_dead_devices_are_removed_as_ever(house: House) -> None:
    owners(house, 10, "android", "unregistered-", 30)
    push_to_all(house, "android")
    assert living("android") == 0
    assert incidents() == {}


def test_staff_who_close_the_guard_let_herald_remove(house: House) -> None:
    owners(house, 25, "android", "unregistered-", 30)
    push_to_all(house, "android")
    with transaction() as session:
        session.execute(update(Incident).values(resolved_at=datetime.now(UTC)))
    push_to_all(house, "android")
    assert living("android") == 0
    assert incidents() == {}


def test_the_guard_lifts_by_itself_when_it_has_been_quiet(house: House) -> None:
    owners(house, 25, "android", "unregistered-", 30)
    push_to_all(house, "android")
    now = datetime.now(UTC)
    with transaction() as session:
        assert mass_removal.lift_quiet(session, now + timedelta(minutes=9)) == 0
        assert mass_removal.lift_quiet(session, now + timedelta(minutes=11)) == 1


def test_the_guard_holds_for_numbers_too(house: House) -> None:
    house.sandbox.fault("twilio", answer={"status": 400, "code": "21614"})
    for number in range(25):
        text(house, f"+1202555{number:04d}")
    assert outcomes() == {"recipient_dead": 25}
    assert len(suppressed()) < mass_removal.FEWEST
    assert "mass_removal:sms" in incidents()


def test_what_a_test_message_meets_concerns_nobody(house: House) -> None:
    house.sandbox.fault("twilio", answer={"status": 400, "code": "21614"})
    accepted = house.accept(Recipient(phone=PHONE), data={"first_name": "Sam"})
    with transaction() as session:
        session.execute(update(Notification).values(test=True))
        session.execute(update(Batch).values(test=True))
    house.deliver_all()
    assert house.message(accepted.messages[0].key).reason == "recipient_dead"
    assert suppressed() == {}


# --- Incidents


def test_a_region_is_told_once_per_country(house: House) -> None:
    house.sandbox.fault("twilio", answer={"status": 403, "code": "21408"})
    for number in ("+447700900123", "+447700900124", PHONE):
        text(house, number)
    found = {cause: one.count for cause, one in incidents().items()}
    assert found == {"region:twilio:GB": 2, "region:twilio:US": 1}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"status": 400, "code": "21999"}, "twilio:unmapped:21999"),
        ({"status": 429, "code": "14107"}, "loop:twilio"),
        ({"status": 503, "headers": {"Retry-After": "-1"}}, "twilio:absurd_wait"),
    ],
)
def test_staff_hear_of_it(house: House, answer: dict[str, Any], cause: str) -> None:
    house.sandbox.fault("twilio", answer=answer)
    text(house)
    assert cause in incidents()


@pytest.mark.parametrize(
    ("reason", "status", "cause"),
    [
        ("BadPriority", 400, "adapter:apns:BadPriority"),
        ("SomethingNew", 400, "apns:unmapped:SomethingNew"),
        ("TooManyProviderTokenUpdates", 429, "apns:key_updates"),
        ("InvalidProviderToken", 403, "apns:config_error:InvalidProviderToken"),
    ],
)
def test_staff_hear_of_what_apple_says(house: House, reason: str, status: int, cause: str) -> None:
    house.device(house.contact("ada"), "ios", "ab" * 32)
    house.sandbox.fault("apns", answer={"status": status, "code": reason})
    push_to_all(house, "ios")
    assert cause in incidents()
    assert living("ios") == 1


def test_tokens_of_another_project_are_told_above_one_in_a_hundred(house: House) -> None:
    owners(house, 1, "android", "not-registered-here-", 40)
    push_to_all(house, "android")
    assert living("android") == 0
    assert "fcm:mismatch" in incidents()


def test_one_token_of_another_project_among_hundreds_is_no_incident(house: House) -> None:
    with transaction() as session:
        session.execute(
            text_of(
                """
                insert into attempt (notification_id, batch_id, fence, number, at, provider,
                                     outcome, detail, duration_ms)
                select n, -n, 1, 1, now(), 'fcm', 'accepted', '', 0 from generate_series(1, 200) n
                """
            )
        )
    owners(house, 1, "android", "not-registered-here-", 40)
    push_to_all(house, "android")
    assert living("android") == 0
    assert incidents() == {}


def test_a_relay_that_does_not_understand_us_is_told(house: House, by_smtp: Engine) -> None:
    house.sandbox.fault("smtp", stage="rcpt", answer={"status": 501, "code": "5.5.4 what"})
    mail(house, by_smtp, "ann@example.org")
    assert "adapter:smtp:501 5.5.4" in incidents()
