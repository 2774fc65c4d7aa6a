"""The checker of the books: each minute, and an incident when a single message does not add up.

accepted = queued + held + sent + failed + not sent + unknown, per campaign, channel and reason, at
any moment; and each queued message is in exactly one batch that will be sent. A large log is
checked less often, so that checking never takes more than a fiftieth of the time.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import clock
from app.alerts import incidents
from app.db import db, transaction
from app.sending import batches, checkups
from app.sending.batches import Member
from app.sending.checkups import Found
from app.sending.compare import Comparison, Difference, compare

NAME: Final = "books"
EVERY: Final = timedelta(seconds=60)
# A check that takes a second is made every fifty seconds at most.
SHARE: Final = 50
# Messages that were in no batch at two checks this far apart are put back into one.
SUSPECT_FOR: Final = timedelta(seconds=60)
log = structlog.get_logger(__name__)


def check(now: datetime | None = None) -> Comparison | None:
    """Compare, tell of differences, put lost work back. None when it is not time yet.

    Opens transactions of its own: none for writing is open while it counts.
    """
    moment = now or clock.now()
    with transaction() as session:
        last = checkups.last(session, NAME)
    if last is not None and moment < due(last):
        return None
    started = time.monotonic()
    try:
        found = compare(db.engine)
    except OperationalError as error:
        log.warning("books_not_checked", error=type(error).__name__)
        with transaction() as session:
            _took_too_long(session, last, time.monotonic() - started, moment)
        return None
    # Written with the moment of the end: the next check keeps its distance from that.
    ended = moment + timedelta(seconds=found.seconds)
    with transaction() as session:
        back = _put_back(session, _still_lost(last, found, moment), ended)
        checkups.keep(session, NAME, found.seconds, _facts(last, found, moment), ended)
        _tell(session, found, back, ended)
    return found


def due(last: Found) -> datetime:
    """When the next check may begin."""
    return last.at + max(EVERY, timedelta(seconds=last.seconds * SHARE))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last check for people: whether everything added up, and how many differences."""

    at: datetime
    messages: int
    wrong: int
    failed: bool

    @property
    def balanced(self) -> bool:
        """Everything was in exactly one place."""
        return not self.wrong and not self.failed


def verdict(session: Session) -> Verdict | None:
    """What the last check said; None before the first."""
    last = checkups.last(session, NAME)
    if last is None:
        return None
    facts = last.facts
    wrong = len(facts.get("differences", ())) + len(facts.get("lost", ()))
    return Verdict(
        at=last.at,
        messages=facts.get("messages", 0),
        wrong=wrong + facts.get("doubled", 0),
        failed=bool(facts.get("failed")),
    )


def _facts(last: Found | None, found: Comparison, now: datetime) -> dict[str, Any]:
    """What pages show, and which messages were in no batch since when, for the next check."""
    before = last.facts.get("lost", {}) if last else {}
    return {
        "messages": found.messages,
        "queued": found.queued,
        "differences": [asdict(one) for one in found.differences],
        "doubled": found.doubled,
        "lost": {str(key): before.get(str(key), now.isoformat()) for key in found.lost},
    }


def _still_lost(last: Found | None, found: Comparison, now: datetime) -> list[int]:
    since = last.facts.get("lost", {}) if last else {}
    return [
        key
        for key in found.lost
        if str(key) in since and now - datetime.fromisoformat(since[str(key)]) >= SUSPECT_FOR
    ]


def _put_back(session: Session, keys: Sequence[int], now: datetime) -> int:
    """Make batches for queued messages that no open batch holds; answers how many.

    Whoever moves a message locks its row, and makes or ends its batch in the same transaction: what
    a second statement sees of the batches once we hold the rows is how it is.
    """
    if not keys:
        return 0
    rows = session.execute(
        text(
            """
            select id, channel, lane, test, campaign_id, accepted_at from notification
             where id = any(:keys) and status = 'queued' order by id for update skip locked
            """
        ),
        {"keys": list(keys)},
    ).all()
    held = set(
        session.scalars(
            text(
                """
                select m.id from batch b cross join unnest(b.ids) m(id)
                 where b.state in ('pending', 'claimed', 'dispatching') and m.id = any(:keys)
                """
            ),
            {"keys": list(keys)},
        )
    )
    lost = [Member(*row) for row in rows if row[0] not in held]
    batches.make(session, lost, now)
    return len(lost)


def _tell(session: Session, found: Comparison, back: int, now: datetime) -> None:
    """One incident per difference; those that balance again are closed."""
    causes = set()
    for one in found.differences:
        causes.add(_tell_difference(session, one, now))
    if found.lost:
        causes.add(_tell_lost(session, len(found.lost), back, now))
    if found.doubled:
        causes.add("books:doubled")
        incidents.keep(
            session,
            "books:doubled",
            "Queued messages are in two batches at once",
            f"{found.doubled:,} messages could be handed over twice.",
            {"unit": "message"},
            now,
            severity="critical",
            count=found.doubled,
        )
    incidents.resolve_others(session, "books:", causes, now)


def _tell_difference(session: Session, one: Difference, now: datetime) -> str:
    cause = f"books:{one.campaign_id or 0}:{one.channel}:{one.status}:{one.reason}"
    where = f"campaign “{one.campaign}”" if one.campaign_id else "messages outside campaigns"
    state = f"{one.status} ({one.reason})" if one.reason else one.status
    incidents.keep(
        session,
        cause,
        f"Books do not balance: {one.channel}, {state}",
        f"In {where} the counters say {one.booked:,} and the log holds {one.counted:,} messages "
        f"that are {state} on {one.channel}.",
        {"unit": "message", "campaign_id": one.campaign_id, "channel": one.channel},
        now,
        severity="critical",
        count=abs(one.booked - one.counted),
    )
    return cause


def _tell_lost(session: Session, lost: int, back: int, now: datetime) -> str:
    done = f"{back:,} of them were put back into work." if back else "They are watched."
    incidents.keep(
        session,
        "books:lost",
        "Queued messages were in no batch",
        f"{lost:,} messages waited without anybody who would send them. {done}",
        {"unit": "message"},
        now,
        severity="critical",
        count=lost,
    )
    return "books:lost"


def _took_too_long(session: Session, last: Found | None, seconds: float, now: datetime) -> None:
    checkups.keep(session, NAME, seconds, {**(last.facts if last else {}), "failed": True}, now)
    incidents.keep(
        session,
        "books:unchecked",
        "The books could not be checked",
        "Counting took too long or the database went away meanwhile. It is tried again.",
        {},
        now,
    )
