"""Judging and counting what is known of one message."""

from datetime import UTC, datetime, timedelta

from app.tracking.scoring import Known, judge, slot, tally

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def event(kind: str, seconds: float, verdict: str = "human", link: int | None = None) -> Known:
    return Known(None, kind, NOON + timedelta(seconds=seconds), verdict, None, link)


def test_the_earliest_human_event_of_a_kind_is_the_first() -> None:
    items = [event("opened", 20), event("opened", 5, "machine"), event("opened", 10)]
    assert [item.first for item in judge(items)] == [False, False, True]


def test_a_burst_turns_human_clicks_into_a_machines() -> None:
    items = [event("clicked", 0.2 * link, link=link + 1) for link in range(3)]
    judged = judge(items)
    assert {item.verdict for item in judged} == {"machine"}
    assert not any(item.first for item in judged)


def test_a_click_counts_under_its_link_and_under_all_links() -> None:
    counts, firsts = tally([event("clicked", 1, link=7), event("clicked", 2, link=8)], NOON)
    assert counts["clicked", "human", NOON, 0] == 2
    assert counts["clicked", "human", NOON, 7] == 1
    assert firsts["clicked", "human", NOON, 0] == 1
    assert firsts["clicked", "human", NOON, 8] == 1


def test_machines_are_counted_but_never_first() -> None:
    counts, firsts = tally([event("opened", 1, "machine")], NOON)
    assert counts["opened", "machine", NOON, 0] == 1
    assert not firsts


def test_slots_are_five_minutes_at_first_and_hours_later() -> None:
    assert slot(NOON + timedelta(minutes=13), NOON) == NOON + timedelta(minutes=10)
    assert slot(NOON + timedelta(hours=7, minutes=13), NOON) == NOON + timedelta(hours=7)
    assert slot(NOON + timedelta(minutes=13), None) == NOON
