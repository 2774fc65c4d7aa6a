"""Opens, clicks and what else people do with a message: verdicts settled, firsts, counters.

Whatever arrives about a message is looked at together with what is already known of it, so that a
burst that fell into two flushes is still seen, and the counters get exactly the difference.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.tracking import events, verdicts
from app.tracking.events import Message, NewEvent
from app.tracking.models import EngagementDelta
from app.tracking.scoring import Cell, Known, judge, tally
from app.tracking.verdicts import HUMAN, Look

KINDS: Final = ("opened", "clicked", "dismissed", "complained", "unsubscribed", "replied")
# Someone who loads a picture ten thousand times is not worth ten thousand rows. What people say of
# a message, a complaint above all, is never too much.
MAX_PER_MESSAGE: Final = 100
_MANY: Final = ("opened", "clicked", "dismissed")
# Where the hand-over says something: nobody opens a push before it is shown.
_BY_MACHINES_TOO: Final = ("email", "sms")


@dataclass(frozen=True, slots=True)
class Hit:
    """Something a person, or a machine, did with a message.

    `look` is what the request itself showed; `dedup` makes a replay harmless.
    """

    notification_id: int
    kind: str
    at: datetime
    source: str
    look: Look = HUMAN
    link_id: int | None = None
    dedup: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(session: Session, hits: Sequence[Hit], now: datetime) -> list[Hit]:
    """Store these hits with their verdicts and count them; answers those that were new.

    Left out are hits on messages that are not known, replays, and opens and clicks beyond
    MAX_PER_MESSAGE.
    """
    if not hits:
        return []
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": events.ENGAGEMENT_LOCK})
    found = events.messages(session, (hit.notification_id for hit in hits), now)
    fresh = _fresh(session, [hit for hit in hits if hit.notification_id in found])
    if not fresh:
        return []
    known = _known(session, {hit.notification_id for hit in fresh})
    stored: list[NewEvent] = []
    taken: list[Hit] = []
    changed: list[Known] = []
    counts: Counter[tuple[int, str, Cell]] = Counter()
    firsts: Counter[tuple[int, str, Cell]] = Counter()
    for key, group in _by_message(fresh).items():
        message, before = found[key], known.get(key, [])
        room = _with_room(group, before)
        taken += room
        after = judge(before + [_to_known(hit, message) for hit in room])
        new = after[len(before) :]
        stored += [_to_event(message, hit, item) for hit, item in zip(room, new, strict=True)]
        changed += [item for item, old in zip(after, before, strict=False) if item != old]
        _add_difference(counts, firsts, message, before, after)
    events.insert(session, stored, now)
    _rewrite(session, changed)
    _count(session, counts, firsts)
    return taken


def _with_room(hits: Iterable[Hit], before: Iterable[Known]) -> list[Hit]:
    """Those that are not too many."""
    left = MAX_PER_MESSAGE - sum(item.kind in _MANY for item in before)
    kept = []
    for hit in hits:
        if hit.kind in _MANY:
            left -= 1
        if hit.kind not in _MANY or left >= 0:
            kept.append(hit)
    return kept


def _by_message(hits: Iterable[Hit]) -> dict[int, list[Hit]]:
    groups: defaultdict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        groups[hit.notification_id].append(hit)
    return groups


def _fresh(session: Session, hits: Sequence[Hit]) -> list[Hit]:
    """Without replays, of what is stored and within the chunk."""
    keys = [hit.dedup for hit in hits if hit.dedup is not None]
    if not keys:
        return list(hits)
    rows = session.execute(text("select dedup from event where dedup = any(:keys)"), {"keys": keys})
    seen: set[str | None] = {row[0] for row in rows}
    kept = []
    for hit in hits:
        if hit.dedup is None or hit.dedup not in seen:
            kept.append(hit)
            seen.add(hit.dedup)
    return kept


def _known(session: Session, ids: set[int]) -> dict[int, list[Known]]:
    rows = session.execute(
        text(
            "select notification_id, id, kind, at, coalesce(verdict, 'human'), verdict_reason, "
            "link_id, first from event where notification_id = any(:ids) and kind = any(:kinds) "
            "order by id"
        ),
        {"ids": list(ids), "kinds": list(KINDS)},
    )
    found: defaultdict[int, list[Known]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(Known(*row[1:]))
    return found


def _to_known(hit: Hit, message: Message) -> Known:
    settled = hit.look
    if message.channel in _BY_MACHINES_TOO and hit.kind in ("opened", "clicked"):
        settled = verdicts.settle(hit.look, hit.at, message.handed_at)
    return Known(None, hit.kind, hit.at, settled.verdict, settled.reason, hit.link_id)


def _to_event(message: Message, hit: Hit, item: Known) -> NewEvent:
    return NewEvent(
        message=message,
        kind=hit.kind,
        at=hit.at,
        source=hit.source,
        dedup=hit.dedup,
        verdict=item.verdict,
        verdict_reason=item.reason,
        first=item.first,
        link_id=hit.link_id,
        detail=hit.detail,
    )


def _add_difference(
    counts: Counter[tuple[int, str, Cell]],
    firsts: Counter[tuple[int, str, Cell]],
    message: Message,
    before: Sequence[Known],
    after: Sequence[Known],
) -> None:
    if message.test:
        return
    campaign = message.campaign_id or 0
    for sign, items in ((-1, before), (1, after)):
        if not items:
            continue
        for totals, part in zip((counts, firsts), tally(items, message.handed_at), strict=True):
            for cell, number in part.items():
                totals[campaign, message.channel, cell] += sign * number


def _rewrite(session: Session, changed: Sequence[Known]) -> None:
    if not changed:
        return
    session.execute(
        text(
            "update event set verdict = v.verdict, verdict_reason = v.reason, first = v.first "
            "from unnest(cast(:ids as bigint[]), cast(:verdicts as text[]), "
            "cast(:reasons as text[]), cast(:firsts as boolean[])) v(id, verdict, reason, first) "
            "where event.id = v.id"
        ),
        {
            "ids": [item.id for item in changed],
            "verdicts": [item.verdict for item in changed],
            "reasons": [item.reason for item in changed],
            "firsts": [item.first for item in changed],
        },
    )


def _count(
    session: Session,
    counts: Counter[tuple[int, str, Cell]],
    firsts: Counter[tuple[int, str, Cell]],
) -> None:
    rows = [
        {
            "campaign_id": campaign,
            "channel": channel,
            "kind": kind,
            "verdict": verdict,
            "slot": when,
            "link_id": link,
            "events": counts[key],
            "firsts": firsts[key],
        }
        for key in counts.keys() | firsts.keys()
        if counts[key] or firsts[key]
        for campaign, channel, (kind, verdict, when, link) in [key]
    ]
    if rows:
        session.execute(insert(EngagementDelta), rows)
