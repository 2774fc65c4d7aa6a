"""Campaigns share a bulk queue fairly, whatever their size."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.campaigns.models import Campaign
from app.db import transaction
from app.sending import batches, deliver, pace, turns
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch
from tests.support.sending import House


@pytest.fixture
def campaigns(house: House) -> list[int]:
    """A large campaign, and a small one launched behind it."""
    with transaction() as session:
        rows = [Campaign(name=name, status="sending") for name in ("large", "small")]
        session.add_all(rows)
        session.flush()
        now = datetime.now(UTC)
        for campaign, count in zip(rows, (100, 2), strict=True):
            for _ in range(count):
                session.add(
                    Batch(
                        channel="email",
                        lane="bulk",
                        campaign_id=campaign.id,
                        ids=[],
                        accepted_from=now,
                        accepted_to=now,
                    )
                )
            session.flush()
        return [campaign.id for campaign in rows]


def claim_next() -> int | None:
    """Which campaign the next free worker serves; it keeps the batch in hand."""
    now = datetime.now(UTC)
    with transaction() as session:
        found = turns.next_batch(session, "email", False, now)
        if found is None:
            return None
        claim = batches.claim(session, found, "worker", now)
        assert claim is not None
        return claim.campaign_id


def test_a_small_campaign_gets_the_next_free_worker(campaigns: list[int]) -> None:
    large, small = campaigns
    assert [claim_next() for _ in range(6)] == [large, small, large, small, large, large]


def test_a_paused_campaign_is_passed_over(campaigns: list[int]) -> None:
    large, small = campaigns
    with transaction() as session:
        session.get_one(Campaign, large).status = "paused"
    assert [claim_next() for _ in range(3)] == [small, small, None]


def test_two_workers_never_get_the_same_batch(campaigns: list[int]) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        mine = turns.next_batch(session, "email", False, now)
        with session.get_bind().connect() as other:  # type: ignore[union-attr]
            theirs = turns.next_batch(other, "email", False, now)  # type: ignore[arg-type]
    assert mine is not None
    assert theirs not in (None, mine)


def test_asking_for_any_batch_serves_the_one_whose_turn_it_is(
    house: House, campaigns: list[int]
) -> None:
    large, small = campaigns
    with transaction() as session:
        newest = session.scalars(
            select(Batch.id).where(Batch.campaign_id == large).order_by(Batch.id.desc()).limit(1)
        ).one()
    leases = LeaseKeeper(house.app, house.engine)
    for _ in range(3):
        assert deliver.deliver(house.engine, leases, newest)
    with transaction() as session:
        done = session.scalars(select(Batch).where(Batch.state == "done")).all()
    assert newest not in {batch.id for batch in done}
    assert {batch.campaign_id for batch in done} <= {large, small}


def test_a_campaign_that_sent_as_much_as_it_may_waits(campaigns: list[int]) -> None:
    large, small = campaigns
    now = datetime.now(UTC)
    with transaction() as session:
        pace.limit(session, pace.of_campaign(large), 10)
        assert pace.take(session, [pace.of_campaign(large)], 500, "bulk", now) <= 3
        assert pace.take(session, [pace.of_campaign(large)], 500, "bulk", now) == 0
        assert pace.due(session, now + timedelta(seconds=1)) == {pace.of_campaign(large): 2.5}
    assert [claim_next() for _ in range(2)] == [small, small]
