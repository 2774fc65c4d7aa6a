"""Reading the counters: sums of what is folded and what is not yet, in one statement each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

ALL_LINKS: Final = 0


class Engaged(NamedTuple):
    """How often something was done: `events` times, by `firsts` messages for the first time."""

    channel: str
    kind: str
    verdict: str
    events: int
    firsts: int


class Moment(NamedTuple):
    """What people did in one slot of time."""

    slot: datetime
    kind: str
    verdict: str
    events: int


class LinkClicks(NamedTuple):
    """Clicks on one link of one channel, by verdict."""

    link_id: int
    channel: str
    url: str
    label: str
    verdict: str
    events: int
    firsts: int


class Grown(NamedTuple):
    """By how much a status of a channel grew (or shrank) in one span of the zone's wall clock."""

    at: datetime
    channel: str
    status: str
    net: int


class Done(NamedTuple):
    """What people did with messages in one span of the zone's wall clock."""

    at: datetime
    channel: str
    kind: str
    verdict: str
    events: int
    firsts: int


_ENGAGEMENT: Final = """
    (select campaign_id, channel, slot, kind, verdict, link_id, events, firsts
       from engagement_count where {condition}
     union all
     select campaign_id, channel, slot, kind, verdict, link_id, events, firsts
       from engagement_delta where {condition}) e
"""
_LEDGER: Final = """
    (select campaign_id, channel, hour, status, reason, entered - "left" as net
       from ledger_count where {condition}
     union all
     select campaign_id, channel, hour, status, reason, entered - "left"
       from ledger_delta where {condition}) l
"""


def engagement_of(session: Session, campaign_ids: Sequence[int]) -> dict[int, list[Engaged]]:
    """campaign -> what people did with its messages, all links together."""
    source = _ENGAGEMENT.format(condition="campaign_id = any(:ids) and link_id = 0")
    rows = session.execute(
        _sql(
            "select campaign_id, channel, kind, verdict, sum(events)::bigint, sum(firsts)::bigint "
            "from {source} group by 1, 2, 3, 4",
            source,
        ),
        {"ids": list(campaign_ids)},
    )
    found: dict[int, list[Engaged]] = {key: [] for key in campaign_ids}
    for row in rows:
        found[row[0]].append(Engaged(*row[1:]))
    return found


def moments_of(session: Session, campaign_id: int) -> list[Moment]:
    """When people, and machines, opened and clicked; oldest first."""
    source = _ENGAGEMENT.format(condition="campaign_id = :id and link_id = 0")
    rows = session.execute(
        _sql(
            "select slot, kind, verdict, sum(events)::bigint from {source} "
            "where kind in ('opened', 'clicked') "
            "group by 1, 2, 3 having sum(events) <> 0 order by 1",
            source,
        ),
        {"id": campaign_id},
    )
    return [Moment(*row) for row in rows]


def links_of(session: Session, campaign_id: int) -> list[LinkClicks]:
    """Clicks per link, channel and verdict."""
    source = _ENGAGEMENT.format(condition="campaign_id = :id and link_id <> 0 and kind = 'clicked'")
    rows = session.execute(
        _sql(
            "select e.link_id, e.channel, k.url, k.label, e.verdict, sum(e.events)::bigint, "
            "sum(e.firsts)::bigint from {source} join link k on k.id = e.link_id "
            "group by 1, 2, 3, 4, 5 having sum(e.events) <> 0",
            source,
        ),
        {"id": campaign_id},
    )
    return [LinkClicks(*row) for row in rows]


def growth(session: Session, since: datetime, until: datetime, zone: str, unit: str) -> list[Grown]:
    """Net growth of every status per channel and `unit` (hour, day, month) of the zone.

    `at` is naive wall time: the beginning of the unit.
    """
    rows = session.execute(
        _sql(
            "select date_trunc(:unit, hour at time zone :zone), channel, status, sum(net)::bigint "
            "from {source} group by 1, 2, 3 having sum(net) <> 0 order by 1",
            _LEDGER.format(condition="hour >= :since and hour <= :until"),
        ),
        {"since": since, "until": until, "zone": zone, "unit": unit},
    )
    return [Grown(*row) for row in rows]


def done(session: Session, since: datetime, until: datetime, zone: str, unit: str) -> list[Done]:
    """What people did per channel and `unit` of the zone, with all messages."""
    rows = session.execute(
        _sql(
            "select date_trunc(:unit, slot at time zone :zone), channel, kind, verdict, "
            "sum(events)::bigint, sum(firsts)::bigint from {source} "
            "group by 1, 2, 3, 4 having sum(events) <> 0 order by 1",
            _ENGAGEMENT.format(condition="slot >= :since and slot <= :until and link_id = 0"),
        ),
        {"since": since, "until": until, "zone": zone, "unit": unit},
    )
    return [Done(*row) for row in rows]


def causes(session: Session, since: datetime, until: datetime) -> dict[tuple[str, str, str], int]:
    """(channel, status, reason) -> how many messages came to that in this time, net."""
    rows = session.execute(
        _sql(
            "select channel, status, reason, sum(net)::bigint from {source} "
            "group by 1, 2, 3 having sum(net) <> 0",
            _LEDGER.format(condition="hour >= :since and hour <= :until"),
        ),
        {"since": since, "until": until},
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def totals_of(
    session: Session, campaign_ids: Sequence[int]
) -> dict[int, dict[tuple[str, str, str], int]]:
    """campaign -> (channel, status, reason) -> how many messages are there now."""
    rows = session.execute(
        _sql(
            "select campaign_id, channel, status, reason, sum(net)::bigint from {source} "
            "group by 1, 2, 3, 4 having sum(net) <> 0",
            _LEDGER.format(condition="campaign_id = any(:ids)"),
        ),
        {"ids": list(campaign_ids)},
    )
    found: dict[int, dict[tuple[str, str, str], int]] = {key: {} for key in campaign_ids}
    for row in rows:
        found[row[0]][row[1], row[2], row[3]] = row[4]
    return found


def engaged_hours(
    session: Session, since: datetime, until: datetime, zone: str, kind: str
) -> dict[tuple[int, int], int]:
    """(weekday 1 to 7, hour) in the zone -> human events of a kind: when people react."""
    condition = (
        "slot >= :since and slot <= :until and link_id = 0 and kind = :kind and verdict = 'human'"
    )
    rows = session.execute(
        _sql(
            "select extract(isodow from slot at time zone :zone)::int, "
            "extract(hour from slot at time zone :zone)::int, sum(events)::bigint "
            "from {source} group by 1, 2",
            _ENGAGEMENT.format(condition=condition),
        ),
        {"since": since, "until": until, "zone": zone, "kind": kind},
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _sql(query: str, source: str) -> TextClause:
    return text(query.replace("{source}", source))
