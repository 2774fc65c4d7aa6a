"""Applying news to messages: events, statuses, suppressions, incidents. All of it in bulk."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.audience import suppressions
from app.audience.suppressions import Entry
from app.sending import breaker, fallback, states
from app.sending.health import Trip
from app.sending.states import Change
from app.sending.status import HANDED_OVER
from app.tracking import engagement, events
from app.tracking.engagement import KINDS, Hit
from app.tracking.events import Message, NewEvent
from app.tracking.news import News, Rest
from app.tracking.verdicts import HUMAN

Item = tuple[News, Message]
_Trouble = tuple[str, str | None, str | None]  # channel, address and reason

# Proof that the provider has it: worth keeping only as long as we do not know that.
_PROOF: Final = ("processed",)
_RANK: Final = {"accepted": 1, "delivered": 2, "bounced": 3}
_ADDRESS_KIND: Final = {"email": "email", "sms": "phone"}
_REPEATED_WITHIN: Final = timedelta(days=30)
_REST: Final = timedelta(seconds=30)


def apply(session: Session, items: Sequence[Item], now: datetime) -> int:
    """Apply news whose messages are known; answers how many events were new."""
    once = {news.dedup: (news, message) for news, message in reversed(items)}
    unique = [item for item in reversed(once.values()) if _says_something(*item)]
    acted = [item for item in unique if item[0].kind in KINDS]
    moved = [item for item in unique if item[0].kind not in KINDS]
    fresh = _store_deliveries(session, moved, now) + _store_engagement(session, acted, now)
    _move(session, fresh, now)
    _suppress(session, fresh, now)
    new = {news.dedup for news, _ in fresh}
    _lift(session, [item for item in unique if item[0].dedup in new])
    _alert(session, fresh, now)
    _let_rest(session, fresh, now)
    return len(fresh)


def _says_something(news: News, message: Message) -> bool:
    if news.kind not in _PROOF or news.lift:
        return True
    return message.status not in HANDED_OVER


def _store_deliveries(session: Session, items: Sequence[Item], now: datetime) -> list[Item]:
    rows = [
        NewEvent(message, news.kind, news.at, news.source, news.dedup, detail=news.detail)
        for news, message in items
    ]
    new = events.insert(session, rows, now)
    return [item for item in items if item[0].dedup in new]


def _store_engagement(session: Session, items: Sequence[Item], now: datetime) -> list[Item]:
    links = _links(session, items)
    hits = [
        Hit(
            notification_id=message.id,
            kind=news.kind,
            at=news.at,
            source=news.source,
            look=news.look or HUMAN,
            link_id=links.get((message.version_id, news.url or "")),
            dedup=news.dedup,
            detail=news.detail,
        )
        for news, message in items
    ]
    new = {hit.dedup for hit in engagement.record(session, hits, now)}
    return [item for item in items if item[0].dedup in new]


def _links(session: Session, items: Iterable[Item]) -> Mapping[tuple[int, str], int]:
    versions = {message.version_id for news, message in items if news.url}
    if not versions:
        return {}
    rows = session.execute(
        text(
            "select version_id, url, min(id) from link where version_id = any(:ids) group by 1, 2"
        ),
        {"ids": list(versions)},
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _move(session: Session, items: Iterable[Item], now: datetime) -> None:
    """One change per message: the furthest of what was said about it."""
    furthest: dict[int, News] = {}
    accepted: list[datetime] = []
    for news, message in items:
        if news.status is None:
            continue
        known = furthest.get(message.id)
        if known is None or _RANK[news.status] > _RANK[known.status or "accepted"]:
            furthest[message.id] = news
            accepted.append(message.accepted_at)
    changes = [
        Change(key, news.status or "accepted", news.reason, news.at)
        for key, news in furthest.items()
    ]
    if not changes:
        return
    moved = states.move(session, changes, now, (min(accepted), max(accepted)))
    bounced = [one.notification_id for one in moved if one.new == "bounced"]
    fallback.next_channels(session, bounced, now)


def _suppress(session: Session, items: Sequence[Item], now: datetime) -> None:
    wanted = [item for item in items if item[0].suppress and item[1].address and not item[1].test]
    repeated = _repeated(session, wanted, now)
    by_source: defaultdict[str, list[Entry]] = defaultdict(list)
    for news, message in wanted:
        rule, kind = news.suppress, _ADDRESS_KIND.get(message.channel)
        if rule is None or kind is None or message.address is None:
            continue
        if rule.after > 1 and repeated[_trouble(news, message)] < rule.after:
            continue
        entry = Entry(kind, message.address, rule.reason, rule.scope, rule.note, message.id)
        by_source[rule.source or news.source].append(entry)
    for source, entries in sorted(by_source.items()):
        suppressions.add(session, entries, source, now)


def _trouble(news: News, message: Message) -> _Trouble:
    return message.channel, message.address, news.reason


def _repeated(session: Session, items: Iterable[Item], now: datetime) -> Counter[_Trouble]:
    """How many messages to an address failed for a reason lately, this time included."""
    soft = [(news, message) for news, message in items if news.suppress and news.suppress.after > 1]
    if not soft:
        return Counter()
    rows = session.execute(
        text(
            """
            select n.channel, n.address, n.reason, count(*) from notification n
             where n.accepted_at >= :long_ago and n.status = 'bounced' and not n.test
               and n.reason = any(:reasons)
               and (n.contact_id = any(:contacts)
                    or (n.contact_id is null and n.address = any(:addresses)))
               and exists (select from event e where e.notification_id = n.id
                              and e.kind in ('bounced', 'failed') and e.at >= :since)
             group by 1, 2, 3
            """
        ),
        {
            "contacts": list({message.contact_id for _, message in soft if message.contact_id}),
            "addresses": list({message.address for _, message in soft}),
            "reasons": list({news.reason for news, _ in soft}),
            "since": now - _REPEATED_WITHIN,
            "long_ago": now - _REPEATED_WITHIN - timedelta(days=7),
        },
    )
    return Counter({(row[0], row[1], row[2]): row[3] for row in rows})


def _lift(session: Session, items: Sequence[Item]) -> None:
    """A person who rejoined a group at the provider: only what came from that group is lifted, and
    only if she has not left again, there or elsewhere, since. Items are in the order of arrival.
    """
    for place, (news, message) in enumerate(items):
        kind = _ADDRESS_KIND.get(message.channel)
        if news.lift is None or kind is None or not message.address:
            continue
        entry = suppressions.check(session, kind, [message.address]).get(message.address)
        if entry is None or entry.source != news.lift:
            continue
        left_again = _left_then(items[place + 1 :], news, message)
        if not left_again and not _left_since(session, message, news.at):
            suppressions.lift(session, kind, message.address, ["unsubscribe"])


def _left_then(items: Iterable[Item], news: News, message: Message) -> bool:
    """Whether an opt-out of that moment, or a later one, was told after this."""
    return any(
        other.kind == "unsubscribed" and other.at >= news.at and whose.address == message.address
        for other, whose in items
    )


def _left_since(session: Session, message: Message, at: datetime) -> bool:
    """Whether the person (or, of a bare address, the message) has an opt-out after that moment."""
    query = """
      select exists (select from event
                      where kind = 'unsubscribed' and at > :at and contact_id = :id)
    """
    if message.contact_id is None:
        query = query.replace("contact_id", "notification_id")
    values = {"at": at, "id": message.contact_id or message.id}
    return bool(session.scalar(text(query), values))


def _alert(session: Session, items: Iterable[Item], now: datetime) -> None:
    counted = Counter(news.alert for news, message in items if news.alert and not message.test)
    for alert, number in sorted(counted.items(), key=lambda item: item[0].cause):
        incidents.open_or_count(
            session,
            alert.cause,
            alert.title,
            "The messages are marked as undelivered. No address was suppressed for it.",
            {"messages": number},
            now,
            count=number,
        )


def _let_rest(session: Session, items: Iterable[Item], now: datetime) -> None:
    """Carriers that take no more today, or only slowly: the provider's account waits."""
    longest: dict[tuple[str, Rest], datetime] = {}
    for news, message in items:
        if news.rest and not message.test:
            until = rest_until(news.rest, message.handed_at or now, now)
            known = longest.setdefault((news.source, news.rest), until)
            longest[news.source, news.rest] = max(known, until)
    for (source, rest), until in longest.items():
        if until > now:  # a report may be days late, and be about a day that is over
            breaker.open_(session, source, Trip("throttled", rest.code, rest.why, until), now)


def rest_until(rest: Rest, handed_at: datetime, now: datetime) -> datetime:
    """The midnight of the zone after the hand-over, or half a minute from now."""
    if not rest.zone:
        return now + _REST
    there = handed_at.astimezone(ZoneInfo(rest.zone))
    tomorrow = (there + timedelta(days=1)).date()
    return datetime.combine(tomorrow, time(), ZoneInfo(rest.zone)).astimezone(UTC)
