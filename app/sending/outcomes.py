"""From answers to consequences: states, retries, dead addresses, closed lanes, incidents."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.arrays import literal
from app.channels.base import Outcome
from app.sending import concerns, dead_addresses, fallback, handing, retry, states, watch
from app.sending.attempts import Answer
from app.sending.batches import Claim
from app.sending.dead_addresses import Answered
from app.sending.engine import Engine
from app.sending.facts import Row
from app.sending.planning import Plan
from app.sending.retry import Next, Tried
from app.sending.states import Change
from app.sending.vocabulary import CHANNEL_WORDS, provider_name


def record(
    session: Session,
    engine: Engine,
    claim: Claim,
    plan: Plan,
    answers: Sequence[Answer],
    now: datetime,
) -> None:
    """Write the state that follows from each answer, that of the rows which the plan settled, and
    everything else that follows.
    """
    by_id, settled = {row.id: row for row in plan.rows}, plan.settled
    between = (claim.accepted_from, claim.accepted_to)
    taken = [answer for answer in answers if answer.result.outcome is Outcome.ACCEPTED]
    others = [answer for answer in answers if answer.result.outcome is not Outcome.ACCEPTED]
    providers = sorted({answer.provider for answer in taken})
    if len(providers) > 1 or (providers and (others or settled)):
        _lock(session, by_id, settled, between)
    for provider in providers:
        handing.hand_over(session, [one for one in taken if one.provider == provider], now, between)
    gave_up = _move_others(session, engine, by_id, others, settled, now, between)
    if not claim.test:  # what the sandbox says concerns nobody
        answered = [Answered(by_id[one.notification_id], one) for one in _notable(taken, others)]
        dead_addresses.settle(session, answered, now)
        concerns.tell(session, answered, now)
    _incidents(session, claim, gave_up, others, now)
    # All at once: it waits for others about the same people, in an order that all share.
    _fall_back(session, [*(row for row, _, _ in gave_up), *plan.unsent], now)


def _lock(
    session: Session,
    rows: Mapping[int, Row],
    settled: Sequence[Change],
    between: tuple[datetime, datetime],
) -> None:
    """Take the rows that several statements are to write in the order of their keys, as everybody
    does: webhooks about them may be applied at the same moment.
    """
    session.execute(
        text(
            """
            select from notification
             where id = any(cast(:ids as bigint[])) and accepted_at between :first and :last
             order by id for update
            """
        ),
        {
            "ids": literal([*rows, *(change.notification_id for change in settled)]),
            "first": between[0],
            "last": between[1],
        },
    )


def _move_others(
    session: Session,
    engine: Engine,
    by_id: Mapping[int, Row],
    answers: Sequence[Answer],
    settled: Sequence[Change],
    now: datetime,
    between: tuple[datetime, datetime],
) -> list[tuple[Row, Answer, Next]]:
    """What becomes of messages that were not taken, and those that never will be."""
    changes = list(settled)
    gave_up: list[tuple[Row, Answer, Next]] = []
    tried_since = _first_tries(session, [by_id[answer.notification_id] for answer in answers])
    for answer in answers:
        row = by_id[answer.notification_id]
        since = tried_since.get(row.id, answer.at)
        following = retry.after(answer.result, _tried(engine, row, answer, since), now)
        changes.append(_change(row, answer, following))
        if following.status in ("failed", "skipped"):
            gave_up.append((row, answer, following))
    states.move(session, changes, now, between)
    return gave_up


def _notable(taken: Sequence[Answer], others: Sequence[Answer]) -> Sequence[Answer]:
    """Answers that say something about an address, or that staff must hear of."""
    said = [
        answer
        for answer in taken
        if answer.result.concern is not None or answer.result.environment is not None
    ]
    return [*said, *others]


def _fall_back(session: Session, rows: Iterable[Row], now: datetime) -> None:
    """Messages of the strategy `first` go on to the person's next channel."""
    fallback.next_channels(session, [row.id for row in rows if row.fallback], now)


def _first_tries(session: Session, rows: Iterable[Row]) -> Mapping[int, datetime]:
    """When messages that were tried before were tried first: since staff gave them fresh tries, for
    a dead letter that was put back into work.
    """
    again = [row.id for row in rows if row.attempts]
    if not again:
        return {}
    found = session.execute(
        text(
            "select notification_id, coalesce(max(at) filter (where number = 1), min(at)) "
            "from attempt where notification_id = any(:ids) group by notification_id"
        ),
        {"ids": again},
    )
    return {row[0]: row[1] for row in found}


def _tried(engine: Engine, row: Row, answer: Answer, since: datetime) -> Tried:
    return Tried(
        attempts=answer.number,
        klass=row.klass,
        since=since,
        expires_at=row.expires_at,
        allowed=engine.retry_attempts,
    )


def _change(row: Row, answer: Answer, following: Next) -> Change:
    """A try that a set-up error stopped is not the message's fault and does not count."""
    counts = answer.result.outcome is not Outcome.CONFIG_ERROR
    return Change(
        notification_id=row.id,
        status=following.status,
        reason=following.reason,
        at=answer.at,
        attempts=answer.number if counts else row.attempts,
        send_after=following.send_after,
        hold_reason=following.hold_reason,
        provider=answer.provider,
        provider_id=answer.result.provider_id,
    )


def _incidents(
    session: Session,
    claim: Claim,
    gave_up: Sequence[tuple[Row, Answer, Next]],
    answers: Sequence[Answer],
    now: datetime,
) -> None:
    """One incident per cause: set-up errors at once, others when messages were given up."""
    refused = [answer for answer in answers if answer.result.outcome is Outcome.CONFIG_ERROR]
    given_up = [answer for _, answer, following in gave_up if following.reason == "gave_up"]
    for (provider, code, detail), count in sorted(Counter(map(_cause, refused)).items()):
        incidents.open_or_count(
            session,
            f"{provider}:config_error:{code}",
            f"{provider_name(provider)} refuses our set-up; "
            f"{CHANNEL_WORDS[claim.channel]} waits until it is mended",
            detail,
            {"provider": provider, "code": code, "channel": claim.channel, "lane": claim.lane},
            now,
            severity="critical",
            count=count,
        )
    for (provider, code, detail), count in sorted(Counter(map(_cause, given_up)).items()):
        incidents.open_or_count(
            session,
            watch.cause(provider, code),
            f"{provider_name(provider)} keeps failing",
            f"{detail} Messages were given up after all tries and wait among the dead letters.",
            {"provider": provider, "code": code, "channel": claim.channel, "lane": claim.lane},
            now,
            count=count,
        )


def _cause(answer: Answer) -> tuple[str, str, str]:
    return answer.provider, answer.result.code or "none", answer.result.detail
