"""A period's numbers, its spans and the period before."""

from datetime import timedelta

import pytest

from app.analytics import board, overview, periods
from app.analytics.overview import Overview
from app.sending import ledger
from app.tracking import engagement
from app.tracking.engagement import Hit
from tests.support.messages import World


def sent(world: World, days_ago: int, number: int, **values: object) -> list[int]:
    at = world.now - timedelta(days=days_ago)
    made = [
        world.message(world.contact(), accepted_at=at, handed_at=at, **values)
        for _ in range(number)
    ]
    return [message.id for message in made]


def look(world: World, key: str = "7d", zone: str = "UTC") -> Overview:
    period = periods.period(key, world.now, zone)
    return overview.overview(world.session, period, zone)


def test_spans_add_up_to_the_period_and_the_period_before_is_apart(world: World) -> None:
    for days_ago in (0, 3, 6):
        sent(world, days_ago, 10, status="delivered")
    sent(world, 8, 5)
    sent(world, 20, 99)
    found = look(world)
    assert found.total.all_sent == 30
    assert sum(span.all_sent for span in found.spans.values()) == 30
    assert sum(map(sum, found.by_channel().values())) == 30
    assert found.before.all_sent == 5


def test_kpis_are_shares_of_what_they_say(world: World) -> None:
    delivered = sent(world, 1, 30, status="delivered")
    sent(world, 1, 10, status="bounced")
    sent(world, 1, 60, channel="ios", status="accepted")
    hits = [Hit(key, "opened", world.now - timedelta(hours=20), "pixel") for key in delivered[:15]]
    engagement.record(world.session, hits, world.now)
    kpis = {kpi.key: kpi for kpi in look(world).kpis()}
    assert kpis["sent"].value == 100
    assert kpis["delivered"].value == 0.75
    assert kpis["opened"].value == 0.5
    assert kpis["clicked"].value == 0
    assert sum(value or 0 for value in kpis["sent"].values) == 100


def test_a_rate_of_a_day_is_of_what_was_delivered_shortly_before_it(world: World) -> None:
    delivered = sent(world, 2, 100, status="delivered")
    sent(world, 0, 20, status="delivered")
    hits = [Hit(key, "opened", world.now - timedelta(hours=1), "pixel") for key in delivered[:60]]
    engagement.record(world.session, hits, world.now)
    opened = next(kpi for kpi in look(world).kpis() if kpi.key == "opened")
    assert opened.values[-1] == opened.value == 0.5
    assert opened.values[-3] == 0.0
    assert opened.values[-4] is None


def test_a_change_is_growth_for_counts_and_points_for_rates(world: World) -> None:
    sent(world, 1, 30, status="delivered")
    sent(world, 8, 20, status="delivered")
    sent(world, 8, 20, status="bounced")
    kpis = {kpi.key: kpi for kpi in look(world).kpis()}
    assert kpis["sent"].change == -0.25
    assert kpis["delivered"].change == 50.0


def test_too_few_messages_have_no_rate(world: World) -> None:
    sent(world, 1, 19, status="delivered")
    assert [kpi.value for kpi in look(world).kpis()] == [19, None, None, None, None]


def test_folding_changes_nothing(world: World) -> None:
    sent(world, 2, 25, status="delivered")
    before = look(world).total
    ledger.fold(world.session)
    assert look(world).total == before


@pytest.mark.parametrize(
    ("key", "spans"), [("24h", 24), ("7d", 7), ("30d", 30), ("90d", 90), ("12m", 12), ("x", 30)]
)
def test_a_period_has_its_spans_and_an_equal_one_before(world: World, key: str, spans: int) -> None:
    period = periods.period(key, world.now, "America/New_York")
    assert len(period.spans) == spans
    assert period.before < period.since < period.until
    assert period.spans[-1] <= world.now.replace(tzinfo=None)


def test_a_day_is_a_day_of_the_workspace(world: World) -> None:
    at = world.now.replace(hour=0, minute=30)  # still yesterday in New York
    world.message(world.contact(), accepted_at=at, handed_at=at)
    found = look(world, zone="America/New_York")
    assert found.spans[found.period.spans[-1]].all_sent == 0
    assert found.spans[found.period.spans[-2]].all_sent == 1


def test_queues_without_work_are_quiet(world: World) -> None:
    found = board.queues(world.session, world.now)
    assert [queue.channel for queue in found] == ["email", "ios", "android", "sms"]
    assert not any(queue.waiting or queue.slow for queue in found)
