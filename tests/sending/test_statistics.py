"""Plans that were made for an almost empty month are not kept for a full one."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.sending import states, statistics
from app.sending.states import Change
from tests.support import messages

MANY = 20_000
READ = """
  select coalesce(sum(seq_tup_read), 0) from pg_stat_xact_user_tables
   where relname like 'notification_%'
"""
FILL = """
  insert into notification (accepted_at, origin, lane, channel, status, topic_id, version_id)
  select :at, 'api', 'bulk', 'email', 'accepted', :topic, :version from generate_series(1, :many)
  returning id
"""


def pages(session: Session) -> int:
    """What the planner believes the largest month to be."""
    query = (
        "select max(relpages) from pg_class where relname like 'notification_2%' and relkind = 'r'"
    )
    return int(session.scalar(text(query)) or 0)


def test_messages_are_looked_up_by_their_key_in_a_month_that_has_just_filled(
    session: Session, now: datetime
) -> None:
    session.execute(text("truncate notification cascade"))  # also what was counted before
    world = messages.world(session, now)
    first = world.message(world.contact())
    at = first.accepted_at
    between = (at - timedelta(seconds=1), at + timedelta(seconds=1))

    def deliver(*keys: int) -> int:
        """How many rows were read from end to end for it."""
        before = session.scalar(text(READ)) or 0
        changes = [Change(key, "delivered", None, world.now) for key in keys]
        states.move(session, changes, world.now, between)
        return int(session.scalar(text(READ)) or 0) - int(before)

    session.execute(text("analyze notification"))
    for _ in range(12):  # the plan is made, and kept
        deliver(first.id)
    values = {"at": at, "topic": first.topic_id, "version": first.version_id, "many": MANY}
    keys = session.scalars(text(FILL), values).all()
    assert pages(session) == 1, "what is known is of one message"
    assert statistics.refresh(session)
    assert pages(session) > 100
    assert deliver(*keys[:300]) == 0
    assert statistics.refresh(session) == []
