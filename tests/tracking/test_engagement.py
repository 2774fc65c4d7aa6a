"""Opens and clicks, stored and counted."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import text

from app.tracking import engagement, fold
from app.tracking.engagement import Hit
from app.tracking.verdicts import Look
from tests.support.messages import World

Counts = dict[tuple[str, str, int], tuple[int, int]]


def counted(world: World) -> Counts:
    rows = world.session.execute(
        text(
            "select kind, verdict, link_id, sum(events), sum(firsts) from (select * from "
            "(select kind, verdict, link_id, events, firsts from engagement_count) a union all "
            "select kind, verdict, link_id, events, firsts from engagement_delta) c "
            "group by 1, 2, 3 having sum(events) <> 0 or sum(firsts) <> 0"
        )
    )
    return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}


def verdicts_of(world: World) -> Counter[str]:
    return Counter(world.session.scalars(text("select verdict from event")))


def test_a_second_open_is_an_event_but_not_a_first(world: World) -> None:
    message = world.message(world.contact())
    hits = [Hit(message.id, "opened", world.now, "pixel")] * 2
    assert len(engagement.record(world.session, hits, world.now)) == 2
    assert counted(world) == {("opened", "human", 0): (2, 1)}


def test_a_click_is_counted_for_its_link(world: World) -> None:
    message, link = world.message(world.contact()), world.links[0]
    hit = Hit(message.id, "clicked", world.now, "link", link_id=link.id)
    engagement.record(world.session, [hit], world.now)
    assert counted(world) == {
        ("clicked", "human", 0): (1, 1),
        ("clicked", "human", link.id): (1, 1),
    }


def test_a_burst_over_two_flushes_is_seen_and_what_was_counted_is_taken_back(world: World) -> None:
    message = world.message(world.contact())
    clicks = [
        Hit(message.id, "clicked", world.now + timedelta(seconds=0.2 * n), "link", link_id=link.id)
        for n, link in enumerate(world.links)
    ]
    engagement.record(world.session, clicks[:2], world.now)
    assert counted(world)["clicked", "human", 0] == (2, 1)
    engagement.record(world.session, clicks[2:], world.now)
    assert counted(world)["clicked", "machine", 0] == (3, 0)
    assert ("clicked", "human", 0) not in counted(world)
    assert verdicts_of(world) == {"machine": 3}


def test_a_machine_is_counted_beside_people(world: World) -> None:
    message = world.message(world.contact())
    scanner = Hit(message.id, "opened", world.now, "pixel", Look("machine", "scanner"))
    engagement.record(world.session, [scanner], world.now)
    assert counted(world) == {("opened", "machine", 0): (1, 0)}


def test_an_open_right_after_the_hand_over_is_a_machines(world: World) -> None:
    message = world.message(world.contact(), handed_at=world.now - timedelta(seconds=1))
    engagement.record(world.session, [Hit(message.id, "opened", world.now, "pixel")], world.now)
    assert verdicts_of(world) == {"machine": 1}


def test_a_replayed_device_event_is_harmless(world: World) -> None:
    message = world.message(world.contact(), channel="ios")
    hit = Hit(message.id, "clicked", world.now, "device", dedup="device:1:clicked")
    assert len(engagement.record(world.session, [hit, hit], world.now)) == 1
    assert engagement.record(world.session, [hit], world.now) == []
    assert counted(world) == {("clicked", "human", 0): (1, 1)}


def test_a_hit_on_an_unknown_message_is_left_out(world: World) -> None:
    hits = [Hit(1 << 40, "opened", world.now, "pixel"), Hit(-1, "opened", world.now, "pixel")]
    assert engagement.record(world.session, hits, world.now) == []


def test_one_message_never_gets_more_than_a_hundred_rows(world: World) -> None:
    message = world.message(world.contact())
    hits = [Hit(message.id, "opened", world.now, "pixel")] * 80
    engagement.record(world.session, hits, world.now)
    engagement.record(world.session, hits, world.now)
    assert counted(world) == {("opened", "human", 0): (100, 1)}


def test_test_messages_are_stored_but_not_counted(world: World) -> None:
    message = world.message(world.contact(), test=True)
    engagement.record(world.session, [Hit(message.id, "opened", world.now, "pixel")], world.now)
    assert verdicts_of(world) == {"human": 1}
    assert counted(world) == {}


def test_folding_changes_no_sum(world: World) -> None:
    for _ in range(3):
        message = world.message(world.contact())
        engagement.record(world.session, [Hit(message.id, "opened", world.now, "pixel")], world.now)
    before = counted(world)
    assert fold.fold(world.session) == 3
    assert counted(world) == before
    assert fold.fold(world.session) == 0
