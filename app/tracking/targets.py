"""Where a followed link leads: only to what is in the link table of the version that was sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from app.arrays import literal
from app.db import driver_style, tuples
from app.tracking.events import MONTHS, months

_LARGEST_KEY: Final = 1 << 63
_LARGEST_NUMBER: Final = 1 << 31


class Place(NamedTuple):
    """A link as it stands in a message: the message's key and the link's number."""

    notification_id: int
    number: int


class Target(NamedTuple):
    """Key and address of a link."""

    link_id: int
    url: str


def targets(session: Session, places: Sequence[Place], now: datetime) -> list[Target | None]:
    """One target per place, in order; None where the message has no such link, or its address is
    not one of the web.
    """
    wanted = {place for place in places if _is_possible(place)}
    found: dict[Place, Target] = {}
    for condition in MONTHS:
        missing = wanted - found.keys()
        if missing:
            query = (
                "select n.id, l.number, l.id, l.url "  # noqa: S608
                "from notification n join link l on l.version_id = n.version_id "
                "where n.id = any(cast(%(ids)s as bigint[])) "
                f"and l.number = any(cast(%(numbers)s as int[])) {driver_style(condition)}"
            )
            rows = tuples(session, query, _keys(missing) | months(now))
            found.update((Place(row[0], row[1]), Target(row[2], row[3])) for row in rows)
    return [_if_web(found.get(place)) for place in places]


def _is_possible(place: Place) -> bool:
    return 0 < place.notification_id < _LARGEST_KEY and 0 <= place.number < _LARGEST_NUMBER


def _keys(places: set[Place]) -> dict[str, Any]:
    return {
        "ids": literal(sorted({place.notification_id for place in places})),
        "numbers": literal(sorted({place.number for place in places})),
    }


def _if_web(target: Target | None) -> Target | None:
    if target is None or not target.url.isprintable():
        return None
    return target if target.url.startswith(("http://", "https://")) else None
