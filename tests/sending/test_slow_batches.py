"""Batches that take longer to render than a gate stays open."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.content.models import TemplateVersion
from app.db import transaction
from app.sending import deliver
from app.sending.gate import STALE_SECONDS
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch
from tests.support.sending import House

MANY = 80
# As much work as the sandbox lets one message be.
LOOKED_FOR = "{% if b == a ~ '!' %}!{% endif %}"
SLOW = "{% for a in rows %}{% for b in rows %}" + LOOKED_FOR + "{% endfor %}{% endfor %}"


def slow_version() -> int:
    with transaction() as session:
        body = SLOW + "Hi {{ first_name }}"
        version = TemplateVersion(state="frozen", content={"sms": {"body": body}})
        session.add(version)
        session.flush()
        return version.id


def test_a_batch_that_takes_long_to_render_leaves_all_the_same(house: House) -> None:
    house.crowd(MANY)
    house.version_id = slow_version()
    house.accept_for_all(MANY, channels=("sms",), data={"rows": ["x"] * 200})
    began = time.monotonic()
    house.deliver_all()
    assert time.monotonic() - began > STALE_SECONDS, "it was to be slow"
    assert len({line["to"] for line in house.sandbox.journal() if line["accepted"]}) == MANY


def test_what_is_put_back_has_waited_since_it_first_waited(house: House) -> None:
    house.crowd(3)
    house.accept_for_all(3, channels=("sms",))
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    with transaction() as session:
        session.scalars(select(Batch)).one().created_at = long_ago
        key = session.scalars(select(Batch.id)).one()
    leases = LeaseKeeper(house.app, house.engine)
    leases.stop_beginning()  # as when the process is to end
    deliver.deliver(house.engine, leases, key)
    with transaction() as session:
        waiting = session.scalars(select(Batch).where(Batch.state == "pending")).all()
        assert [batch.created_at for batch in waiting] == [long_ago]
