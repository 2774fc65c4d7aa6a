"""What keeps messages that may go from going just now: a hold, a pause, their hour, a provider.

The policy asks whether a person may get a message; this is everything beside it, so that "why does
it wait?" always has an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs
from app.policy.decide import Gate
from app.sending import breaker, installation, queries
from app.sending.engine import Engine
from app.sending.models import LaneState, Notification, ProviderAccount
from app.sending.vocabulary import TROUBLES, provider_name

HELD: Final = "Nothing is sent: this Herald is held."
_GATES: Final = ("installation", "queue", "campaign", "time", "provider")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A sentence, and the moment of the next try where there is one."""

    sentence: str
    until: datetime | None = None


def of_bulk_queues(session: Session, engine: Engine) -> Mapping[str, Obstacle]:
    """channel -> why its bulk queue stands still; only those that do."""
    if installation.hold(session) is not None:
        return dict.fromkeys(jobs.CHANNELS, Obstacle(HELD))
    lanes = queries.lanes(session)
    parked = breaker.parked(session, engine)
    found = {}
    for channel in jobs.CHANNELS:
        if _is_paused(lanes.get((channel, "bulk"))):
            found[channel] = Obstacle(f"{channel}.bulk is paused.")
        elif channel in parked:
            found[channel] = _trouble(parked[channel])
    return found


def of_message(
    session: Session,
    engine: Engine,
    message: Notification,
    now: datetime,
    say: Callable[[datetime], str],
) -> Sequence[Gate]:
    """Each question with its answer, those that stand in its way among them."""
    return [
        _installation(session),
        _queue(session, message),
        *_campaign(session, message),
        *_time(message, now, say),
        _provider(session, engine, message, say),
    ]


def why(gates: Sequence[Gate]) -> str:
    """The first of `of_message` that stands in the way, as a sentence; empty when none does."""
    against = (gate.sentence for gate in gates if not gate.passed and gate.name in _GATES)
    return next(against, "")


def _installation(session: Session) -> Gate:
    held = installation.hold(session) is not None
    return Gate("installation", not held, HELD if held else "This Herald is not held.")


def _queue(session: Session, message: Notification) -> Gate:
    paused = _is_paused(queries.lanes(session).get((message.channel, message.lane)))
    name = f"{message.channel}.{message.lane}"
    return Gate("queue", not paused, f"{name} is {'paused' if paused else 'not paused'}.")


def _is_paused(state: LaneState | None) -> bool:
    return state is not None and state.paused_at is not None


def _campaign(session: Session, message: Notification) -> list[Gate]:
    status = session.scalar(
        text("select status from campaign where id = :id"), {"id": message.campaign_id}
    )
    if status is None:
        return []
    paused = status == "paused"
    return [
        Gate("campaign", not paused, f"The campaign is {'paused' if paused else 'not paused'}.")
    ]


def _time(message: Notification, now: datetime, say: Callable[[datetime], str]) -> list[Gate]:
    due = message.send_after
    if message.status != "held" or due is None or due <= now:
        return []
    return [Gate("time", passed=False, sentence=f"Its next time is {say(due)}.")]


def _provider(
    session: Session, engine: Engine, message: Notification, say: Callable[[datetime], str]
) -> Gate:
    route = engine.providers.route(message.channel, message.test)
    troubled = {} if message.test else breaker.troubled(session)
    sound = [name for name in route if name not in troubled]
    if sound:
        return Gate("provider", passed=True, sentence=f"{provider_name(sound[0])} takes messages.")
    found = _trouble(troubled[route[0]])
    tried = f" The next try is {say(found.until)}." if found.until else ""
    return Gate("provider", passed=False, sentence=found.sentence + tried)


def _trouble(account: ProviderAccount) -> Obstacle:
    cause = TROUBLES.get(account.cause or "", "is in trouble")
    return Obstacle(f"{provider_name(account.provider)} {cause}.", account.probe_at)
