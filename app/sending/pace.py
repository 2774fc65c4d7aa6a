"""Messages per second: a limit for a provider account, or for one campaign.

The generic cell rate algorithm (ITU-T I.371): one moment per limit says when the next message would
be in time. A worker takes as many messages at once as are in time within `BURST`, and the clock
asks for the next batch when that moment comes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import FieldError
from app.sending.models import Pace

FASTEST: Final = 100_000
WANTED: Final = (
    f"Enter messages per second as a whole number from 1 to {FASTEST:,}, or leave it empty."
)
# What may go at once, in seconds' worth of messages.
BURST: Final = timedelta(seconds=0.25)
# A code somebody waits for may go ahead of its time by this much; bulk then waits longer.
PATIENCE: Final = {"transactional": timedelta(seconds=1), "bulk": timedelta()}


def of_provider(name: str) -> str:
    """The key of a provider account's limit."""
    return f"provider:{name}"


def of_campaign(campaign_id: int) -> str:
    """The key of a campaign's limit."""
    return f"campaign:{campaign_id}"


def problems(rate: int | None, pointer: str) -> list[FieldError]:
    """What is wrong with a limit that somebody gave. None is no limit; there is no 0."""
    if rate is None or 1 <= rate <= FASTEST:
        return []
    return [FieldError(pointer, "out_of_range", WANTED)]


def limit(session: Session, key: str, rate: int | None) -> None:
    """Set a limit in messages per second, or (None) remove it."""
    if rate is None:
        unlimit(session, [key])
        return
    statement = insert(Pace).values(key=key, rate=rate)
    session.execute(statement.on_conflict_do_update(index_elements=[Pace.key], set_={"rate": rate}))


def unlimit(session: Session, keys: Sequence[str]) -> None:
    """Remove limits. What waited for one that is gone is asked for with `no_more`."""
    session.execute(text("delete from pace where key = any(:keys)"), {"keys": list(keys)})


def no_more(
    session: Session, *, campaigns: Sequence[int] = (), channels: Sequence[str] = ()
) -> None:
    """A limit is gone: the sweeper asks at its next turn for whatever waited for it."""
    session.execute(
        text(
            "update batch set nudged_at = to_timestamp(0) where state = 'pending' "
            "and (campaign_id = any(:campaigns) or channel = any(:channels))"
        ),
        {"campaigns": list(campaigns), "channels": list(channels)},
    )


def rates(session: Session, keys: Sequence[str]) -> dict[str, int]:
    """key -> messages per second, of those that have a limit."""
    rows = session.execute(
        text("select key, rate from pace where key = any(:keys)"), {"keys": list(keys)}
    )
    return {row[0]: row[1] for row in rows}


def take(session: Session, keys: Sequence[str], wanted: int, lane: str, now: datetime) -> int:
    """How many of `wanted` messages may go now, within all limits; they count as gone.

    Locks the limits until the transaction ends, which should be soon.
    """
    rows = session.execute(
        text("select key, rate, next_at from pace where key = any(:keys) order by key for update"),
        {"keys": list(keys)},
    ).all()
    granted = min([wanted] + [_in_time(row[1], row[2], lane, now) for row in rows])
    for key, rate, next_at in rows if granted else ():
        session.execute(
            text("update pace set next_at = :next_at where key = :key"),
            {
                "key": key,
                "next_at": max(next_at, now - _burst(rate)) + timedelta(seconds=granted / rate),
            },
        )
    return granted


def _in_time(rate: int, next_at: datetime, lane: str, now: datetime) -> int:
    free = now + PATIENCE[lane] - max(next_at, now - _burst(rate))
    return max(0, int(free.total_seconds() * rate + _ROUNDING))


def _burst(rate: int) -> timedelta:
    """Room for one message at least."""
    return max(BURST, timedelta(seconds=1 / rate))


_ROUNDING: Final = 1e-6
# The SQL of "one message or more is in time".
IN_TIME: Final = "next_at + make_interval(secs => 1.0 / rate) <= :now"


def due(session: Session, now: datetime) -> dict[str, float]:
    """Limits that let something through again -> about how many messages."""
    rows = session.execute(text(f"select key, rate from pace where {IN_TIME}"), {"now": now})
    return {row[0]: max(1.0, row[1] * BURST.total_seconds()) for row in rows}
