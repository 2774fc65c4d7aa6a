"""States move forward only, also when two transactions want the same row at the same moment."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db import transaction
from app.sending import states
from app.sending.models import Notification
from app.sending.states import Change
from tests.support.sending import House


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        ("unknown", "delivered", "delivered"),
        ("delivered", "unknown", "delivered"),
        ("accepted", "delivered", "delivered"),
        ("delivered", "held", "delivered"),
        ("held", "delivered", "delivered"),
    ],
)
def test_who_comes_second_sees_what_the_first_did(
    house: House, first: str, second: str, last: str, narrow: bool
) -> None:
    house.crowd(3)
    keys = house.accept_for_all(3, channels=("email",))
    now = datetime.now(UTC)
    with transaction() as session:
        dates = session.scalars(select(Notification.accepted_at)).all()
    between = (min(dates), max(dates)) if narrow else None

    def move(status: str) -> None:
        with house.app.app_context(), transaction() as session:
            changes = [Change(key, status, None, now) for key in keys]
            states.move(session, changes, now, between)

    other = threading.Thread(target=move, args=(second,))
    with transaction() as session:
        states.move(session, [Change(key, first, None, now) for key in keys], now, between)
        other.start()
        other.join(0.5)
        assert other.is_alive(), "it waits for the first"
    other.join(10)
    with transaction() as session:
        assert set(session.scalars(select(Notification.status))) == {last}


def test_a_message_that_is_not_found_at_once_is_looked_for_everywhere(house: House) -> None:
    house.crowd(2)
    keys = house.accept_for_all(2, channels=("email",))
    now = datetime.now(UTC)
    elsewhere = (now + timedelta(hours=1), now + timedelta(hours=2))
    with transaction() as session:
        changes = [Change(key, "accepted", None, now) for key in keys]
        moved = states.move(session, changes, now, elsewhere)
    assert sorted(one.notification_id for one in moved) == sorted(keys)
