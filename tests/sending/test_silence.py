"""A provider that swallows calls: left alone before they time out, unless nobody real waits."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.db import transaction
from app.sending import accept, deliver
from app.sending.engine import Engine
from app.sending.health import Health
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch, Notification, ProviderAccount
from app.sending.requests import Caller, Recipient, SendRequest
from tests.support.sending import House

PEOPLE = 3


@pytest.fixture
def impatient(house: House) -> Engine:
    """An engine that takes half a second without an answer for silence."""
    return replace(house.engine, health=Health(silent_seconds=0.5))


def begin(house: House, engine: Engine, *, test: bool) -> threading.Thread:
    """Send a text to some people, in one batch, by a thread."""
    wishes = [
        SendRequest(
            to=Recipient(external_id=f"p{number}"),
            topic="service",
            version_id=house.version_id,
            channels=("sms",),
        )
        for number in range(PEOPLE)
    ]
    with transaction() as session:
        accept.accept(session, wishes, Caller("api", "req_test", test=test), datetime.now(UTC))
    with transaction() as session:
        key = session.scalars(select(Batch.id)).one()

    def work() -> None:
        with house.app.app_context():
            deliver.deliver(engine, LeaseKeeper(house.app, engine), key)

    sending = threading.Thread(target=work)
    sending.start()
    return sending


def account() -> ProviderAccount | None:
    """Twilio's breaker."""
    with transaction() as session:
        return session.get(ProviderAccount, "twilio")


def reached() -> set[str]:
    """The states there are."""
    with transaction() as session:
        return set(session.scalars(select(Notification.status)))


def test_a_provider_that_swallows_calls_is_left_alone_before_they_time_out(
    house: House, impatient: Engine
) -> None:
    house.sandbox.fault("twilio", fault="delay", seconds=4)
    house.crowd(PEOPLE)
    sending = begin(house, impatient, test=False)
    house.sandbox.wait_for(lambda: account() is not None, 3.5)
    assert sending.is_alive()
    sending.join(20)
    found = account()
    assert found is not None
    assert (found.cause, found.code) == ("silent", "no_answer")
    assert reached() == {"accepted"}, "they were only slow"


def test_a_silent_sandbox_says_nothing_about_the_provider(house: House, impatient: Engine) -> None:
    house.sandbox.fault("twilio", fault="delay", seconds=2.5)
    house.crowd(PEOPLE)
    began = time.monotonic()
    begin(house, impatient, test=True).join(20)
    assert time.monotonic() - began > 2.4
    assert account() is None
    assert reached() == {"accepted"}
