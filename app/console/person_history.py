"""A person's messages by day, with the reason for each that was not sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from flask import request, url_for
from sqlalchemy.orm import Session

from app import clock, ids
from app.console import filters, message_rows
from app.console.message_filters import CHANNELS, STATUSES
from app.console.message_rows import MessageRow
from app.sending import queries
from app.sending.queries import Filters

PAGE: Final = 25
_ORIGINS: Final = {
    "campaign": "Campaign",
    "api": "Service",
    "console": "From the console",
    "test": "Test",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One message: what stands below its title, and when it was."""

    row: MessageRow
    sub: str
    at: str


@dataclass(frozen=True, slots=True)
class Day:
    """The messages of one day; `title` is empty when the page before showed it already."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class History:
    """A part of the history. `more` is the address of the next part."""

    days: Sequence[Day]
    shown: int
    more: str | None
    channel: str
    status: str
    is_first: bool


def load(session: Session, contact_id: int) -> History:
    """The part of the history that the URL asks for."""
    channel, status = request.args.get("channel", ""), request.args.get("status", "")
    channel = channel if channel in CHANNELS else ""
    status = status if status in STATUSES else ""
    cursor = request.args.get("cursor") or None
    found = queries.search(
        session,
        Filters(
            contact_id=contact_id,
            channel=channel or None,
            statuses=STATUSES.get(status, ()),
        ),
        cursor,
        PAGE,
    )
    rows = message_rows.rows(session, found.items, people=False)
    before = max(request.args.get("shown", 0, int), 0) if cursor else 0
    days = _days(rows, request.args.get("day", "") if cursor else "")
    last = filters.local(rows[-1].message.accepted_at).date().isoformat() if rows else ""
    more: dict[str, Any] = {
        "public_id": ids.encode("con", contact_id),
        "channel": channel or None,
        "status": status or None,
        "cursor": found.next_cursor,
        "shown": before + len(rows),
        "day": last,
    }
    return History(
        days=days,
        shown=before + len(rows),
        more=url_for("person.history", **more) if found.next_cursor else None,
        channel=channel,
        status=status,
        is_first=cursor is None,
    )


def _days(rows: Sequence[MessageRow], known: str) -> list[Day]:
    today = filters.local(clock.now()).date()
    days = []
    for day, group in groupby(rows, key=lambda row: filters.local(row.message.accepted_at).date()):
        title = "" if day.isoformat() == known else _title(day, today)
        days.append(Day(title, [_line(row) for row in group]))
    return days


def _title(day: date, today: date) -> str:
    written = f"{day:%a} {day.day} {day:%b}" + (f" {day.year}" if day.year != today.year else "")
    if day == today:
        return "Today"
    return f"Yesterday, {written}" if day == today - timedelta(days=1) else written


def _line(row: MessageRow) -> Line:
    message = row.message
    parts = [_ORIGINS[message.origin]]
    if row.why:
        not_sent = message.status in ("skipped", "expired")
        parts.append(f"not sent: {_small(row.why)}" if not_sent else row.why)
    for kind, word in (("opened", "opened"), ("clicked", "clicked")):
        if kind in row.firsts:
            parts.append(f"{word} {_when(row.firsts[kind], message.accepted_at)}")
    if message.attempts > 1:
        parts.append(f"{message.attempts} tries")
    return Line(row, " · ".join(parts), filters.at(message.accepted_at))


def _when(at: datetime, beside: datetime) -> str:
    same = filters.local(at).date() == filters.local(beside).date()
    return filters.at(at) if same else filters.near(at)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
