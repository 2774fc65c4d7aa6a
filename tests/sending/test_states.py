"""States move forward only, also when two transactions want the same row at the same moment."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from app.db import transaction
from app.sending import partitions, states
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


def test_a_kept_plan_leaves_nobody_out_who_was_changed_at_the_same_moment(house: House) -> None:
    """The month must not be the first one: PostgreSQL 18 only errs with months before it."""
    house.crowd(20)
    keys = house.accept_for_all(20, channels=("email",))
    now = datetime.now(UTC)
    with transaction() as session:
        partitions.ensure(session, now - timedelta(days=70), now)
        dates = session.scalars(select(Notification.accepted_at)).all()
    between = (min(dates), max(dates))
    moved: list[int] = []

    def move_all() -> None:
        with house.app.app_context(), transaction() as session:
            _keep_plans(session)
            changes = [Change(key, "delivered", None, now) for key in keys]
            done = states.move(session, changes, now, between)
            moved.extend(one.notification_id for one in done)
            session.rollback()  # the large log

    other = threading.Thread(target=move_all)
    with transaction() as session, capture_logs() as logs:
        some = [Change(key, "accepted", None, now) for key in keys[7:12]]
        states.move(session, some, now, between)
        other.start()
        other.join(0.5)
        assert other.is_alive(), "it waits for the first"
        session.commit()
        other.join(10)
    assert sorted(moved) == sorted(keys)
    assert logs == [], "and found them at once"


def _keep_plans(session: Session) -> None:
    """Plan as PostgreSQL does for a connection that has made a statement often, in a large log."""
    session.execute(text("set local plan_cache_mode = force_generic_plan"))
    for kind in ("hashjoin", "mergejoin", "material", "memoize", "seqscan"):
        session.execute(text(f"set local enable_{kind} = off"))
    session.execute(
        text(
            "update pg_class set relpages = 1, reltuples = 1000000 from pg_inherits "
            "where inhrelid = oid and inhparent = 'notification'::regclass"
        )
    )
