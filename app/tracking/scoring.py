"""How the engagement with one message is judged and counted. Pure: events in, counters out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.tracking import verdicts

FINE: Final = timedelta(hours=6)
ALL_LINKS: Final = 0


@dataclass(frozen=True, slots=True)
class Known:
    """One engagement event as the counters see it; `id` is None until it is stored."""

    id: int | None
    kind: str
    at: datetime
    verdict: str
    reason: str | None
    link_id: int | None
    first: bool = False


Cell = tuple[str, str, datetime, int]  # kind, verdict, slot, link


def judge(items: Sequence[Known]) -> list[Known]:
    """The same events, in the same order, with bursts found and the first human ones marked."""
    if len(items) == 1:  # nearly always: nothing to compare it with
        return [replace(items[0], first=items[0].verdict == "human")]
    clicks = [(item.at, item.link_id) for item in items if item.kind == "clicked"]
    burst = verdicts.in_burst((at, link) for at, link in clicks if link is not None)
    judged = [
        replace(item, verdict="machine", reason="burst")
        if item.kind == "clicked" and item.at in burst and item.verdict != "machine"
        else item
        for item in items
    ]
    order = sorted(range(len(judged)), key=lambda index: (judged[index].at, index))
    seen: set[str] = set()
    for index in order:
        item = judged[index]
        first = item.verdict == "human" and item.kind not in seen
        if first:
            seen.add(item.kind)
        judged[index] = replace(item, first=first)
    return judged


def tally(
    items: Iterable[Known], handed_at: datetime | None
) -> tuple[Counter[Cell], Counter[Cell]]:
    """Events and firsts per cell of the counters. A click counts under its link and under all."""
    counts: Counter[Cell] = Counter()
    firsts: Counter[Cell] = Counter()
    seen: set[tuple[str, int]] = set()
    for item in sorted(items, key=lambda one: one.at):
        when = slot(item.at, handed_at)
        for link in {ALL_LINKS, item.link_id or ALL_LINKS}:
            cell = (item.kind, item.verdict, when, link)
            counts[cell] += 1
            if item.verdict == "human" and (item.kind, link) not in seen:
                seen.add((item.kind, link))
                firsts[cell] += 1
    return counts, firsts


def slot(at: datetime, handed_at: datetime | None) -> datetime:
    """The beginning of the five minutes, or later of the hour, that `at` is counted in."""
    fine = handed_at is not None and at - handed_at < FINE
    minute = at.minute - at.minute % 5 if fine else 0
    return at.replace(minute=minute, second=0, microsecond=0)
