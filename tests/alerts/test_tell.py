"""Operators hear of a cause once: by e-mail and by webhook."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app import settings as herald_settings
from app.alerts import incidents, listing, tell
from app.alerts.models import Incident
from app.db import transaction
from app.settings import Settings
from tests.support.sending import House
from tests.support.webhook import Inbox, listening

CAUSE = "sendgrid:failing:500"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Where the alert webhook points to."""
    with listening() as opened:
        yield opened


@pytest.fixture
def told(house: House, inbox: Inbox) -> Settings:
    """One operator's address and the webhook."""
    return herald_settings.load(
        {
            "DATABASE_URL": "postgresql://unused",
            "HERALD_VAR_DIR": str(house.sandbox.var_dir),
            "HERALD_SECRET_KEY": "a key for tests that is long enough to sign with",
            "HERALD_PUBLIC_URL": "http://herald.test",
            "ALERT_EMAIL": "ops@example.com",
            "ALERT_WEBHOOK": inbox.url,
        }
    )


def happen(times: int = 1) -> None:
    """The cause shows itself."""
    for _ in range(times):
        with transaction() as session:
            incidents.open_or_count(
                session, CAUSE, "sendgrid keeps failing", "It said 500.", {}, datetime.now(UTC)
            )


def incident() -> Incident:
    """The one that is open."""
    with transaction() as session:
        (found,) = listing.still_open(session)
        return found


def test_one_mail_and_one_post_however_often_it_happens(
    house: House, told: Settings, inbox: Inbox
) -> None:
    happen(3)
    assert tell.untold(told) == 1
    happen(5)
    assert tell.untold(told) == 0

    (mail,) = house.sandbox.journal(channel="email")
    assert mail["to"] == "ops@example.com"
    (post,) = inbox.bodies
    assert (post["cause"], post["count"], post["url"]) == (CAUSE, 3, "http://herald.test/alerts")
    assert incident().count == 8


def test_a_cause_that_comes_back_after_its_end_is_told_again(
    house: House, told: Settings, inbox: Inbox
) -> None:
    happen()
    tell.untold(told)
    with transaction() as session:
        incidents.resolve(session, CAUSE, datetime.now(UTC))
    happen()
    tell.untold(told)
    assert [post["cause"] for post in inbox.bodies] == [CAUSE, CAUSE]


def test_the_other_way_to_send_mail_tells_when_the_first_is_what_fails(
    house: House, told: Settings, inbox: Inbox
) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    happen()
    assert tell.untold(told) == 1
    taken = [line["provider"] for line in house.sandbox.journal() if line["accepted"]]
    assert taken == ["smtp"]


def test_the_sandbox_never_tells_in_the_name_of_a_real_provider(
    house: House, told: Settings, inbox: Inbox
) -> None:
    real = replace(told.providers, sendgrid_api_key="SG.real", sendgrid_url=house.sandbox.url)
    inbox.status = 503
    happen()
    assert tell.untold(replace(told, providers=real)) == 0
    assert [line for line in house.sandbox.journal() if line["accepted"]] == []


def test_it_is_tried_again_until_somebody_could_be_told(
    house: House, told: Settings, inbox: Inbox
) -> None:
    house.sandbox.fault("*", answer={"status": 500})
    inbox.status = 503
    happen()
    assert tell.untold(told) == 0
    assert incident().told_at is None

    house.sandbox.reset()
    assert tell.untold(told) == 1
    assert incident().told_at is not None
