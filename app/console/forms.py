"""Small readers of submitted forms; what the values mean is checked by the domain."""

from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from flask import Response, request

from app.errors import Invalid
from app.sending import pace

PER_SECOND: Final = "messages per second"  # in the audit trail
_NOT_PLACES: Final = ("Etc/", "SystemV/", "US/", "Brazil/", "Canada/", "Chile/", "Mexico/")


def text(name: str) -> str:
    """A trimmed field; empty when it was not sent."""
    return request.form.get(name, "").strip()


def is_on(name: str) -> bool:
    """Whether a check box or switch was set."""
    return bool(request.form.get(name))


def number(name: str) -> int:
    """A whole number. Raises Invalid."""
    try:
        return int(text(name))
    except ValueError as error:
        raise Invalid.one(f"/{name}", "invalid_type", "Enter a whole number.") from error


def per_second(name: str) -> int | None:
    """Messages per second; None when it was left empty. Raises Invalid for what is no number."""
    typed = text(name)
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
        raise Invalid.one(f"/{name}", "invalid_type", pace.WANTED)
    return int(typed)


def end_of_day(name: str, zone: str) -> datetime | None:
    """The end of a day that was chosen, in UTC; None when none was. Raises Invalid."""
    written = text(name)
    if not written:
        return None
    try:
        day = datetime.strptime(written, "%Y-%m-%d").date() + timedelta(days=1)  # noqa: DTZ007
        return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid.one(f"/{name}", "invalid_time", "Enter a date.") from error


def refused(answer: Response, target: str) -> Response:
    """422, and htmx puts the fragment into `target`, whatever the form was to change."""
    answer.status_code = 422
    answer.headers["HX-Retarget"] = target
    answer.headers["HX-Reswap"] = "innerHTML"
    return answer


@cache
def zones() -> list[str]:
    """Time zones that people choose from: UTC and places."""
    places = (name for name in available_timezones() if "/" in name)
    return ["UTC", *sorted(name for name in places if not name.startswith(_NOT_PLACES))]
