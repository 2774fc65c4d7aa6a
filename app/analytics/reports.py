"""The report of one campaign: balance sheet, funnel, links, and when people opened and clicked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.analytics import counters
from app.analytics.books import Book, Sheet, book
from app.analytics.counters import Engaged, LinkClicks, Moment
from app.analytics.overview import ENOUGH

MINUTES: Final = timedelta(minutes=5)
_HOURLY_FROM: Final = timedelta(hours=6)
_DAILY_FROM: Final = timedelta(days=3)


@dataclass(slots=True)
class Reaction:
    """What people did: messages opened, clicked, opted out; and what machines did beside them."""

    opened: int = 0
    clicked: int = 0
    opted_out: int = 0
    complained: int = 0
    opens: int = 0
    clicks: int = 0
    machine_opens: int = 0
    machine_clicks: int = 0

    def plus(self, other: "Reaction") -> "Reaction":
        """Both together."""
        names = self.__slots__
        return Reaction(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class Stage:
    """One bar of the funnel: `value` of `base`, and what the base is. `rate` None: too few."""

    key: str
    label: str
    value: int
    base: int
    base_words: str
    width: float

    @property
    def rate(self) -> float | None:
        """0 to 1; None where the base is too small to speak of a rate."""
        return min(self.value / self.base, 1.0) if self.base >= ENOUGH else None


@dataclass(slots=True)
class LinkRow:
    """A target of the campaign's links: people who clicked it, clicks, clicks by machines."""

    url: str
    label: str
    channels: list[str] = field(default_factory=list)
    people: int = 0
    clicks: int = 0
    machine: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Opens and clicks by people per slot; `times` are naive wall time of the zone."""

    unit: str
    times: Sequence[datetime]
    opened: Sequence[int]
    clicked: Sequence[int]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report page shows, from the counters."""

    book: Book
    reactions: Mapping[str, Reaction]

    @property
    def all(self) -> Reaction:
        """All channels together."""
        return _sum(self.reactions.values())

    def funnel(self, channel: str | None = None) -> list[Stage]:
        """Audience, sent, delivered, opened, clicked, opted out; of one channel or of all."""
        chosen = self.book if channel is None else _only(self.book, channel)
        reaction = self.all if channel is None else self.reactions.get(channel, Reaction())
        return list(_stages(chosen, reaction, self.reactions, channel))


def report(session: Session, campaign_id: int) -> Report:
    """The report of a campaign as it stands."""
    return reports(session, [campaign_id])[campaign_id]


def reports(session: Session, campaign_ids: Sequence[int]) -> dict[int, Report]:
    """Reports of many campaigns, in two statements: for lists."""
    totals = counters.totals_of(session, campaign_ids)
    engaged = counters.engagement_of(session, campaign_ids)
    return {key: Report(book(totals[key]), _reactions(engaged[key])) for key in campaign_ids}


def links(session: Session, campaign_id: int) -> list[LinkRow]:
    """The campaign's links by target, most people first."""
    return _merge(counters.links_of(session, campaign_id))


def timeline(session: Session, campaign_id: int, launched_at: datetime, zone: str) -> Timeline:
    """When people opened and clicked, from the launch on, in slots that suit the span."""
    return _timeline(counters.moments_of(session, campaign_id), launched_at, zone)


def as_data(found: Report, rows: Iterable[LinkRow]) -> dict[str, Any]:
    """The report as plain data, for the API."""
    sheet = found.book.all
    return {
        "audience": sheet.audience,
        "sent": sheet.sent,
        "accepted": sheet.accepted,
        "delivered": sheet.delivered,
        "bounced": sheet.bounced,
        "failed": sheet.failed,
        "not_sent": sheet.not_sent,
        "open": sheet.open,
        "engagement": _reaction_data(found.all),
        "channels": {
            channel: {
                **_sheet_data(part),
                "engagement": _reaction_data(found.reactions.get(channel, Reaction())),
            }
            for channel, part in found.book.channels.items()
        },
        "reasons": [
            {
                "channel": cause.channel,
                "status": cause.status,
                "reason": cause.reason,
                "messages": cause.messages,
            }
            for cause in found.book.causes
        ],
        "links": [
            {
                "url": row.url,
                "label": row.label,
                "people": row.people,
                "clicks": row.clicks,
                "machine_clicks": row.machine,
            }
            for row in rows
        ],
    }


def _sheet_data(sheet: Sheet) -> dict[str, int]:
    names = ("audience", "sent", "accepted", "delivered", "bounced", "failed", "not_sent", "open")
    return {name: getattr(sheet, name) for name in names}


def _reaction_data(reaction: Reaction) -> dict[str, int]:
    return {name: getattr(reaction, name) for name in Reaction.__slots__}


def _only(whole: Book, channel: str) -> Book:
    sheet = whole.channels.get(channel, Sheet())
    causes = tuple(cause for cause in whole.causes if cause.channel == channel)
    return Book({channel: sheet}, causes)


def _sum(parts: Iterable[Reaction]) -> Reaction:
    total = Reaction()
    for part in parts:
        total = total.plus(part)
    return total


def _reactions(engaged: Iterable[Engaged]) -> dict[str, Reaction]:
    found: defaultdict[str, Reaction] = defaultdict(Reaction)
    for item in engaged:
        reaction, human = found[item.channel], item.verdict == "human"
        if item.kind == "opened":
            reaction.opened += item.firsts
            reaction.opens += item.events if human else 0
            reaction.machine_opens += 0 if human else item.events
        elif item.kind == "clicked":
            reaction.clicked += item.firsts
            reaction.clicks += item.events if human else 0
            reaction.machine_clicks += 0 if human else item.events
        elif item.kind == "unsubscribed":
            reaction.opted_out += item.firsts
        elif item.kind == "complained":
            reaction.complained += item.firsts
    return dict(found)


def _stages(
    chosen: Book, reaction: Reaction, by_channel: Mapping[str, Reaction], channel: str | None
) -> Iterable[Stage]:
    sheet, audience = chosen.all, chosen.all.audience

    def stage(key: str, label: str, value: int, base: int, words: str) -> Stage:
        width = round(100 * value / audience, 2) if audience else 0.0
        return Stage(key, label, value, base, words, min(width, 100.0))

    yield stage("audience", "Messages", audience, 0, "")
    yield stage("sent", "Sent", sheet.sent, audience, "of messages")
    yield stage("delivered", "Delivered", sheet.delivered, *_confirmed(chosen, channel))
    email = chosen.channels.get("email")
    reached = "of delivered" if chosen.all.confirms else "of those reached"
    if channel is None and email is not None:
        opened = by_channel.get("email", Reaction()).opened
        yield stage("opened", "Opened", opened, email.reached, f"of email {_word(email)}")
    elif channel not in ("sms", None):
        yield stage("opened", "Opened", reaction.opened, chosen.reached, reached)
    yield stage(
        "clicked", "Clicked or tapped", reaction.clicked, chosen.reached, "of those reached"
    )
    yield stage("opted_out", "Opted out", reaction.opted_out, chosen.reached, reached)


def _word(sheet: Sheet) -> str:
    return "delivered" if sheet.confirms else "accepted"


def _confirmed(chosen: Book, channel: str | None) -> tuple[int, str]:
    """Of what "delivered" is a share, in words: push services do not confirm."""
    confirming = [name for name, sheet in chosen.channels.items() if sheet.confirms]
    if not confirming:
        return 0, "not confirmed by this provider" if channel else "nothing confirmed yet"
    if len(confirming) == len(chosen.channels):
        return chosen.confirmed_of, "of sent"
    words = " and ".join({"email": "email", "sms": "SMS"}[name] for name in confirming)
    return chosen.confirmed_of, f"of {words}"


def _merge(clicks: Iterable[LinkClicks]) -> list[LinkRow]:
    rows: dict[str, LinkRow] = {}
    for item in clicks:
        row = rows.setdefault(item.url, LinkRow(item.url, item.label))
        row.label = row.label or item.label
        if item.channel not in row.channels:
            row.channels.append(item.channel)
        if item.verdict == "human":
            row.people += item.firsts
            row.clicks += item.events
        else:
            row.machine += item.events
    return sorted(rows.values(), key=lambda row: (-row.people, -row.clicks, row.url))


def _timeline(moments: Sequence[Moment], launched_at: datetime, zone: str) -> Timeline:
    human = [item for item in moments if item.verdict == "human"]
    if not human:
        return Timeline("minute", (), (), ())
    span = human[-1].slot - launched_at
    unit = "minute" if span < _HOURLY_FROM else "hour" if span < _DAILY_FROM else "day"
    place = ZoneInfo(zone)
    counts: dict[str, Counter[datetime]] = {"opened": Counter(), "clicked": Counter()}
    for item in human:
        counts[item.kind][_floor(item.slot.astimezone(place), unit)] += item.events
    first = _floor(launched_at.astimezone(place), unit)
    last = max(max(part) for part in counts.values() if part)
    times = list(_steps(first, max(first, last), unit))
    return Timeline(
        unit,
        [time.replace(tzinfo=None) for time in times],
        [counts["opened"][time] for time in times],
        [counts["clicked"][time] for time in times],
    )


def _floor(moment: datetime, unit: str) -> datetime:
    minute = moment.minute - moment.minute % 5 if unit == "minute" else 0
    hour = 0 if unit == "day" else moment.hour
    return moment.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _steps(first: datetime, last: datetime, unit: str) -> Iterable[datetime]:
    """Every slot of a span. Hours and minutes are counted in UTC: a clock change loses none."""
    if unit == "day":
        for number in range((last.date() - first.date()).days + 1):
            yield first + timedelta(days=number)
        return
    step = MINUTES if unit == "minute" else timedelta(hours=1)
    moment, end = first.astimezone(UTC), last.astimezone(UTC)
    while moment <= end:
        yield moment.astimezone(first.tzinfo)
        moment += step
