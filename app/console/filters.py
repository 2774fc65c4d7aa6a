"""Jinja filters: numbers, shares, money, times, durations, masked addresses.

Times are stored in UTC and shown in the workspace's zone: `flask.g.zone` (a tzinfo) when the
request knows it, else the config value HERALD_ZONE (an IANA name), else UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, has_app_context

from app import clock
from app.console import words

NONE = "–"
THIN = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
MINUTE, HOUR, DAY = 60, 3600, 86_400


def num(value: float | None, digits: int = 0) -> str:
    """`182431` -> `182,431`; None -> a dash."""
    return NONE if value is None else f"{value:,.{digits}f}"


def short(value: float | None) -> str:
    """For charts and KPIs only: `10761234` -> `10.76M`, `182431` -> `182k`, `9432` -> `9,432`."""
    if value is None:
        return NONE
    for size, letter in THIN:
        if abs(value) >= size and abs(value) >= 10_000:
            scaled = value / size
            digits = 0 if abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
            text = f"{scaled:.{digits}f}"
            if size >= 1_000_000 and abs(scaled) < 100:
                text = f"{scaled:.2f}"
            return text + letter
    return num(value)


def pct(part: float | None, base: float | None = 100, digits: int = 1) -> str:
    """`part` as a share of `base`: `pct(926, 1000)` -> `92.6%`. No base or nothing -> a dash.

    A share that is not quite nothing or everything never rounds to 0% or 100%.
    """
    if part is None or not base:
        return NONE
    share = 100 * part / base
    step = 10**-digits
    if 0 < share < step:
        return f"<{step:.{digits}f}%"
    if 100 - step < share < 100:
        return f">{100 - step:.{digits}f}%"
    return f"{share:.{digits}f}%"


def share(part: float | None, base: float | None) -> float:
    """0 to 100 for bar widths, safe for missing and odd values."""
    if not part or not base:
        return 0.0
    return round(min(max(100 * part / base, 0.0), 100.0), 2)


def money(amount: float | None, currency: str = "£") -> str:
    """`1025` -> `£1,025.00`; small unit prices keep three digits: `£0.114`."""
    if amount is None:
        return NONE
    digits = 3 if 0 < abs(amount) < 1 else 2
    return f"{currency}{amount:,.{digits}f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`plural(1, "campaign")` -> `1 campaign`; `plural(3120, "person", "people")`."""
    return f"{num(count)} {one if count == 1 else many or one + 's'}"


def duration(seconds: float | timedelta | None) -> str:
    """`192` -> `3 min 12 s`, `0.047` -> `47 ms`, `9.4` -> `9.4 s`, `90000` -> `1 d 1 h`."""
    if seconds is None:
        return NONE
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < MINUTE:
        return f"{value:.0f} s" if value >= 10 or value == int(value) else f"{value:.1f} s"
    whole = round(value)
    for size, big, small, name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {big}" + (f" {rest} {name}" if rest else "")
    rest = whole % MINUTE
    return f"{whole // MINUTE} min" + (f" {rest} s" if rest else "")


def zone() -> tzinfo:
    """The zone times are shown in."""
    if not has_app_context():
        return UTC
    known = g.get("zone")
    if isinstance(known, tzinfo):
        return known
    return ZoneInfo(str(current_app.config.get("HERALD_ZONE", "UTC")))


def local(moment: datetime) -> datetime:
    """The moment in the workspace's zone; a naive value is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(zone())


def at(moment: datetime | None, seconds: bool = False) -> str:
    """Time of day, 24-hour: `10:42`."""
    return NONE if moment is None else local(moment).strftime("%H:%M:%S" if seconds else "%H:%M")


def day(moment: datetime | None) -> str:
    """`Tue 24 Nov 2026`."""
    if moment is None:
        return NONE
    there = local(moment)
    return f"{there:%a} {there.day} {there:%b %Y}"


def when(moment: datetime | None) -> str:
    """Absolute: `Tue 24 Nov 2026, 10:42`."""
    return NONE if moment is None else f"{day(moment)}, {at(moment)}"


def near(moment: datetime | None) -> str:
    """Absolute but short: `Today, 07:30`, `Yesterday, 16:05`, `Fri 27 Nov, 07:00`."""
    if moment is None:
        return NONE
    there, here = local(moment), local(clock.now())
    apart = (there.date() - here.date()).days
    named = {0: "Today", -1: "Yesterday", 1: "Tomorrow"}.get(apart)
    if named is None:
        named = f"{there:%a} {there.day} {there:%b}"
        if there.year != here.year:
            named += f" {there.year}"
    return f"{named}, {at(moment)}"


def within(moment: datetime | None) -> str:
    """`near` inside a sentence: `since yesterday, 16:05`."""
    text = near(moment)
    return text[:1].lower() + text[1:] if text.startswith(("To", "Ye")) else text


def ago(moment: datetime | None) -> str:
    """Relative under 24 hours, `just now`, `12 min ago`, `in 3 h`; beyond that the day."""
    if moment is None:
        return NONE
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (clock.now() - aware).total_seconds()
    size = abs(seconds)
    if size >= DAY:
        return near(moment)
    if size < 10:
        return "just now"
    text = (
        f"{size:.0f} s"
        if size < MINUTE
        else f"{size // MINUTE:.0f} min"
        if size < HOUR
        else f"{size // HOUR:.0f} h"
    )
    return f"{text} ago" if seconds > 0 else f"in {text}"


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC, for the datetime attribute."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def mask_email(address: str | None) -> str:
    """`amara.okafor@example.com` -> `am···@example.com`."""
    if not address or "@" not in address:
        return NONE
    name, _, host = address.rpartition("@")
    return f"{name[: 2 if len(name) > 3 else 1]}···@{host}"


def mask_phone(number: str | None) -> str:
    """`+447700900412` -> `+44 ··· 412`."""
    if not number or len(number) < 7:
        return NONE
    return f"{number[:3]} ··· {number[-3:]}"


def initials(name: str) -> str:
    """Two letters for an avatar."""
    parts = [part for part in name.replace("@", " ").replace(".", " ").split() if part[0].isalnum()]
    return "".join(part[0] for part in parts[:2]).upper() or "?"


def hue(name: str) -> int:
    """A steady hue, 0 to 359, for an avatar."""
    total = 7
    for letter in name:
        total = (total * 31 + ord(letter)) % 360_007
    return total % 360


FILTERS = (
    num, short, pct, share, money, plural, duration, at, day, when, near, within, ago, iso,
    mask_email, mask_phone, initials, hue,
)  # fmt: skip


def register(app: Flask) -> None:
    """Give templates the filters, and the word tables as `status`, `channel` and `reason`."""
    for function in FILTERS:
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.filters["reason"] = words.reason
    app.jinja_env.filters["sentence"] = words.sentence
    app.jinja_env.filters["code"] = words.code
    app.jinja_env.globals.update(status_of=words.status, channel_of=words.channel, zone=zone)
