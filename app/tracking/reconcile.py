"""Texts that were handed over and of which nothing was heard: Twilio is asked.

A status callback that we could not take is lost for good, so texts still `accepted` are looked up
after an hour, a day and three days. What Twilio says is kept as a receipt, exactly as if it had
called back, and takes the same way through suppressions and alerts. After three days the message
gets a note that nothing more is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import clock, ids, jobs
from app.channels.base import KnownText, LooksUp
from app.db import transaction
from app.sending.engine import Engine
from app.sending.safety import Checkup
from app.tracking import events, receipts
from app.tracking.receipts import Post

APPLY: Final = "apply_receipts"
AT_ONCE: Final = 300  # per stage and minute
# Without a mark (a fresh database) a stage looks back no further than this.
LOOKS_BACK: Final = timedelta(hours=6)
_ON_THE_WAY: Final = frozenset({"", "accepted", "scheduled", "queued", "sending", "sent"})


@dataclass(frozen=True, slots=True)
class Stage:
    """Texts handed over `after` ago; the `last` one leaves a note."""

    after: timedelta
    last: bool = False
    test: bool = False

    @property
    def mark(self) -> str:
        """The name of its mark among the checkups."""
        whose = "test texts" if self.test else "texts"
        return f"look up {whose} after {int(self.after.total_seconds()) // 3600} h"


# Texts of test keys have marks of their own: a sandbox that is away must not hold up the others.
STAGES: Final = tuple(
    Stage(after, last=after == timedelta(hours=72), test=test)
    for test in (False, True)
    for after in (timedelta(hours=1), timedelta(hours=24), timedelta(hours=72))
)


class Silent(NamedTuple):
    """A text that Twilio took and nothing was heard of since."""

    id: int
    handed_at: datetime
    provider_id: str
    attempts: int


def look(engine: Engine) -> int:
    """One turn over all stages; answers how many texts were asked about.

    Opens its own transactions: none is open while Twilio is asked.
    """
    return sum(_look(engine, stage) for stage in STAGES)


def _look(engine: Engine, stage: Stage) -> int:
    with transaction() as session:
        began = clock.now()
        silent = due(session, stage, began)
        if not silent:  # so that the next look begins here
            _mark(session, stage, began - stage.after, 0, began)
            return 0
    known = _ask(engine, silent, stage)
    # What could not be asked is asked at the next turn. One that had no answer while later ones had
    # is left to the next stage, or all would wait for it for ever.
    passed = _up_to_last_answer(silent, known)
    answered = [one for one in passed if one.provider_id in known]
    with transaction() as session:
        now = clock.now()
        _keep(session, answered, known, stage, now)
        if stage.last:
            _note(session, answered, known, now)
        if answered:
            last = answered[-1]
            _mark(session, stage, last.handed_at, last.id, began)
    return len(answered)


def due(session: Session, stage: Stage, now: datetime) -> list[Silent]:
    """The texts this stage asks about next, oldest first."""
    mark = session.get(Checkup, stage.mark)
    handed_at, key = now - stage.after - LOOKS_BACK, 0
    if mark is not None:
        handed_at, key = datetime.fromisoformat(mark.facts["handed_at"]), mark.facts["id"]
    rows = session.execute(
        text(
            """
            select id, handed_at, provider_id, attempts from notification
             where status = 'accepted' and provider in ('sendgrid', 'twilio')
               and provider = 'twilio' and provider_id is not null and test = :test
               and handed_at >= :from and (handed_at, id) > (:from, :key) and handed_at <= :to
             order by handed_at, id limit :limit
            """
        ),
        {
            "from": handed_at,
            "key": key,
            "to": now - stage.after,
            "test": stage.test,
            "limit": AT_ONCE,
        },
    )
    return [Silent(*row) for row in rows]


def _ask(engine: Engine, silent: Sequence[Silent], stage: Stage) -> Mapping[str, KnownText]:
    carrier = engine.providers.named("twilio", stage.test)
    if not isinstance(carrier, LooksUp):
        return {}
    return carrier.texts([one.provider_id for one in silent])


def _up_to_last_answer(
    silent: Sequence[Silent], known: Mapping[str, KnownText]
) -> Sequence[Silent]:
    places = [place for place, one in enumerate(silent) if one.provider_id in known]
    return silent[: places[-1] + 1] if places else []


def _keep(
    session: Session,
    silent: Sequence[Silent],
    known: Mapping[str, KnownText],
    stage: Stage,
    now: datetime,
) -> None:
    """Final statuses become receipts, as if Twilio had called back."""
    posts = []
    for one in silent:
        text_ = known[one.provider_id]
        if text_.status in _ON_THE_WAY:
            continue
        form = {"MessageSid": one.provider_id, "MessageStatus": text_.status}
        if text_.error:
            form["ErrorCode"] = text_.error
        context = {"nid": ids.encode("ntf", one.id), "att": str(one.attempts), "looked_up": True}
        if stage.test:
            context["sandbox"] = True
        posts.append(Post("twilio_status", urlencode(form).encode(), context))
    receipts.store_all(session, posts, now)
    if silent:
        jobs.later_once(session, APPLY)


def _note(
    session: Session, silent: Sequence[Silent], known: Mapping[str, KnownText], now: datetime
) -> None:
    """Nobody will ever say what became of these."""
    unsettled = {one.id: known[one.provider_id].status for one in silent}
    unsettled = {key: said for key, said in unsettled.items() if said in _ON_THE_WAY}
    found = events.messages(session, unsettled, now)
    events.insert(
        session,
        [
            events.NewEvent(
                found[key],
                "processed",
                now,
                "twilio",
                f"tw:unconfirmed:{key}",
                detail={"response": _words(said), "unconfirmed": True},
            )
            for key, said in unsettled.items()
            if key in found
        ],
        now,
    )


def _words(said: str) -> str:
    if not said:
        return "Twilio knows no such text any more. Whether it arrived is unknown."
    return f"Twilio still says {said!r} after three days. Whether it arrived is unknown."


def _mark(session: Session, stage: Stage, handed_at: datetime, key: int, began: datetime) -> None:
    """What was handed over until then (at that moment: up to that key) has been asked about."""
    facts: dict[str, Any] = {"handed_at": handed_at.isoformat(), "id": key}
    now = clock.now()
    took = int((now - began).total_seconds() * 1000)
    values = {"at": now, "took_ms": took, "facts": facts}
    statement = insert(Checkup).values(name=stage.mark, **values)
    session.execute(statement.on_conflict_do_update(index_elements=[Checkup.name], set_=values))
