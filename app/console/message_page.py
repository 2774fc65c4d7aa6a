"""Everything the page of one message shows, loaded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app import ids
from app.accounts.models import ApiKey
from app.audience.models import Topic
from app.console import filters, message_json, message_rows, message_steps, words
from app.console.message_rows import MessageRow
from app.console.message_steps import Timed
from app.policy.decide import Gate
from app.sending import (
    dead_letters,
    engine,
    explain,
    obstacles,
    queries,
    verdict,
    vocabulary,
)
from app.sending.models import Attempt, Notification
from app.sending.status import OPEN
from app.sending.verdict import Heard, Story, Try, Verdict
from app.tracking import heard
from app.tracking.heard import News

# A delivery is usually confirmed within this time: the page waits for it.
CONFIRMED_WITHIN: Final = timedelta(minutes=10)
_UNSENT: Final = ("queued", "held", "skipped", "expired", "failed")


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One message with all that happened to it. `live`: something may still come."""

    row: MessageRow
    topic: Topic | None
    verdict: Verdict
    steps: Sequence[Timed]
    attempts: Sequence[Attempt]
    gates: Sequence[Gate]
    previous: str | None
    followers: Sequence[MessageRow]
    json: str
    live: bool
    key_name: str | None

    @property
    def message(self) -> Notification:
        """The row of the log."""
        return self.row.message

    @property
    def can_cancel(self) -> bool:
        """Nothing left the house yet."""
        return self.message.status in ("queued", "held")

    @property
    def can_retry(self) -> bool:
        """It is a dead letter, or one that was discarded."""
        return dead_letters.may_be_retried(self.message)

    @property
    def can_send_again(self) -> bool:
        """There is an address, and it is not on its way anyway."""
        return self.message.address is not None and self.message.status not in OPEN


def load(session: Session, public_id: str, now: datetime) -> MessagePage:
    """The page's facts. Raises NotFound."""
    message = queries.by_public_id(session, public_id)
    attempts = queries.attempts_of(session, message.id)
    news = heard.of_message(session, message.id)
    row = message_rows.rows(session, [message])[0]
    key = session.get(ApiKey, message.api_key_id) if message.api_key_id else None
    followers = message_rows.rows(session, queries.followers(session, message.id))
    origin = row.title.campaign_name or (f"key {key.name}," if key else "")
    request = message.request_id or ""
    gates = _gates(session, message, now)
    return MessagePage(
        row=row,
        topic=session.get(Topic, message.topic_id),
        verdict=_verdict(message, attempts, news, obstacles.why(gates)),
        steps=message_steps.steps(message, attempts, news, origin, request),
        attempts=attempts,
        gates=gates,
        previous=ids.encode("ntf", message.previous_id) if message.previous_id else None,
        followers=followers,
        json=message_json.text(message, attempts, news),
        live=_is_live(message, now),
        key_name=key.name if key else None,
    )


def _verdict(
    message: Notification, attempts: Sequence[Attempt], news: Sequence[News], obstacle: str
) -> Verdict:
    story = Story(
        channel=message.channel,
        status=message.status,
        accepted_at=message.accepted_at,
        reason=message.reason,
        hold_reason=message.hold_reason,
        send_after=message.send_after,
        handed_at=message.handed_at,
        final_at=message.final_at,
        from_campaign=message.campaign_id is not None,
        follows=message.follows,
        obstacle=obstacle,
        tries=[Try(a.number, a.at, a.provider, a.outcome, a.code, a.detail) for a in attempts],
        events=[Heard(item.kind, item.at, item.verdict) for item in news],
    )
    return verdict.verdict(story, say_moment, filters.duration)


def say_moment(moment: datetime) -> str:
    """`Mon 23 Nov 2026 at 17:48:31`, in the reader's zone."""
    return f"{filters.day(moment)} at {filters.at(moment, seconds=True)}"


def _gates(session: Session, message: Notification, now: datetime) -> Sequence[Gate]:
    """Would it go now, and what stands against it: asked of messages that did not go."""
    if message.status not in _UNSENT:
        return []
    house = engine.current()
    found = explain.explain_rows(session, house, [message.id], message.channel, now)
    asked = found[0].gates if found else []
    if message.reason == explain.UNKNOWN:  # there is nobody it could go to
        return asked
    return [*asked, *obstacles.of_message(session, house, message, now, say_moment)]


def _is_live(message: Notification, now: datetime) -> bool:
    if message.status in OPEN:
        return True
    waits = message.status == "accepted" and message.channel not in vocabulary.SILENT
    return waits and now - (message.handed_at or message.accepted_at) < CONFIRMED_WITHIN


def kind_of(topic: Topic | None) -> str:
    """`Service, order updates`."""
    if topic is None:
        return "–"
    klass = {"transactional": "Service", "marketing": "Marketing", "security": "Security"}
    kind = klass.get(topic.klass, words.sentence(topic.klass))
    return kind if kind.lower() == topic.name.lower() else f"{kind}, {topic.name}"
