"""What a provider took, noted for a whole batch: never over what was told meanwhile."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from app.channels.base import Outcome, Result
from app.db import transaction
from app.sending import handing, states
from app.sending.attempts import Answer
from app.sending.models import Notification
from app.sending.states import Change
from tests.support.sending import House


@pytest.mark.parametrize("count", [3, 600])
@pytest.mark.parametrize("first", ["webhook", "worker"])
def test_a_webhook_at_the_same_moment_wins(house: House, first: str, count: int) -> None:
    house.crowd(count)
    keys = house.accept_for_all(count, channels=("email",))
    now = datetime.now(UTC)
    with transaction() as session:
        dates = session.scalars(select(Notification.accepted_at)).all()
        session.execute(text("analyze notification"))
    between = (min(dates), max(dates))

    def webhook() -> None:
        with house.app.app_context(), transaction() as session:
            states.move(
                session, [Change(key, "delivered", None, now) for key in keys], now, between
            )
            started.set()
            go.wait(10)

    def worker() -> None:
        with house.app.app_context(), transaction() as session:
            answers = [Answer(key, 1, "sendgrid", Result(Outcome.ACCEPTED), now) for key in keys]
            handing.hand_over(session, answers, now, between)
            started.set()
            go.wait(10)

    started, go = threading.Event(), threading.Event()
    works = (webhook, worker) if first == "webhook" else (worker, webhook)
    threads = [threading.Thread(target=work) for work in works]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive(), "it waits for the first"
    go.set()
    for thread in threads:
        thread.join(10)
    with transaction() as session:
        assert set(session.scalars(select(Notification.status))) == {"delivered"}


def test_a_message_that_is_not_found_at_once_is_looked_for_everywhere(house: House) -> None:
    house.crowd(2)
    keys = house.accept_for_all(2, channels=("email",))
    now = datetime.now(UTC)
    with transaction() as session:
        answers = [Answer(key, 1, "sendgrid", Result(Outcome.ACCEPTED), now) for key in keys]
        elsewhere = (now + timedelta(hours=1), now + timedelta(hours=2))
        handing.hand_over(session, answers, now, elsewhere)
    with transaction() as session:
        assert set(session.scalars(select(Notification.status))) == {"accepted"}
