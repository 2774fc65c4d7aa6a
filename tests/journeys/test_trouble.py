"""A provider that fails for good for some: dead letters, one alert, and a way back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from app.audience import topics
from app.db import transaction
from app.sending import dead_letters
from app.sending.models import Notification
from tests.support.herald import Herald, running_herald
from tests.support.processes import eventually
from tests.support.webhook import Inbox, listening

MESSAGES = 60


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    """The developers' webhook."""
    with listening() as opened:
        yield opened


@pytest.fixture(scope="module")
def herald(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[Herald]:
    """A Herald that gives up after three tries, so that the test need not wait for eight."""
    var_dir = tmp_path_factory.mktemp("trouble") / "var"
    settings = {"RETRY_ATTEMPTS": "3", "ALERT_WEBHOOK": inbox.url}
    with running_herald(var_dir, **settings) as running, running.attached():
        yield running


def dead() -> int:
    """Messages that were given up."""
    with transaction() as session:
        counted = select(func.count()).where(
            Notification.status == "failed", Notification.reason == "gave_up"
        )
        return session.scalar(counted) or 0


def send(herald: Herald, key: str, to: str) -> None:
    """One code by e-mail."""
    status, _, _ = herald.call(
        "POST",
        "/notifications",
        key,
        {
            "topic": "service",
            "content": {"email": {"subject": "Code", "html": "<p>1</p>", "text": "1"}},
            "to": {"email": to},
        },
    )
    assert status == 202


@contextmanager
def others_get_theirs(herald: Herald, key: str) -> Iterator[None]:
    """Mail that the provider takes goes on meanwhile: it is not down, it dislikes some messages."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            send(herald, key, "well@example.com")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_persistent_failure_ends_in_dead_letters_and_one_alert(
    herald: Herald, inbox: Inbox
) -> None:
    key = herald.key()
    with transaction() as session:
        wanted = {"key": "service", "name": "Service", "klass": "transactional"}
        topics.create(session, wanted, datetime.now(UTC))
    fault = {"provider": "sendgrid", "match": {"to": "p*"}, "for": {"seconds": 600}}
    herald.control("faults", {**fault, "answer": {"status": 500}})
    with others_get_theirs(herald, key):
        for number in range(MESSAGES):
            send(herald, key, f"p{number}@example.com")
        assert eventually(lambda: dead() == MESSAGES, 60)
    assert eventually(lambda: inbox.bodies, 30)
    assert not eventually(lambda: len(inbox.bodies) > 1, 12), "one cause, one alert"
    assert inbox.bodies[0]["cause"] == "sendgrid:failing:500"

    herald.control("reset", {})
    with transaction() as session:
        (group,) = dead_letters.groups(session)
        assert (group.messages, group.cause.provider) == (MESSAGES, "sendgrid")
        letters = [letter.id for letter in dead_letters.of_cause(session, group.cause, limit=100)]
        dead_letters.retry(session, letters, datetime.now(UTC))
    assert eventually(lambda: dead() == 0, 10)
    assert eventually(lambda: len(taken(herald)) == MESSAGES, 60)


def taken(herald: Herald) -> set[str]:
    """Mails that the provider took at last."""
    lines = herald.journal()
    return {
        line["notification"]
        for line in lines
        if line["provider"] == "sendgrid" and line["accepted"] and line["to"].startswith("p")
    }
