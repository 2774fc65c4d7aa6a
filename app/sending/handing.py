"""Messages that a provider took: the usual end of a batch, in one statement.

`states.move` takes any change and pays for it: a join per row, a dozen columns of values. What was
taken moves to one state, and what differs between messages (the answer's moment, the provider's
id) differs between calls, so it travels once per run of messages that share it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from app import db
from app.arrays import literal
from app.sending import states
from app.sending.attempts import Answer
from app.sending.states import Change
from app.sending.status import sources_of

log = structlog.get_logger(__name__)

# Rows are locked in the order of their keys, as everywhere, before any is written. A message's run
# is found by its key: `firsts` are the keys at which runs begin.
_HAND_OVER: Final = """
  with old as materialized (
    select n.id, n.campaign_id, n.channel, n.status, n.reason, n.status = any(%(sources)s) as moves
      from notification n
     where n.id = any(cast(%(ids)s as bigint[])) and n.accepted_at between %(first)s and %(last)s
     order by n.id for update
  ), moved as (
    update notification n set
      status = 'accepted', reason = null, send_after = null, hold_reason = null, dead_at = null,
      final_at = {at}, attempts = greatest(n.attempts, {number}), provider = %(provider)s,
      provider_id = coalesce({provider_id}, n.provider_id), handed_at = coalesce(n.handed_at, {at})
     where n.id = any(array(select id from old where moves))
       and n.accepted_at between %(first)s and %(last)s
  ), summed as (
    select coalesce(campaign_id, 0) as campaign, channel, status, coalesce(reason, '') as reason,
           count(*) as number
      from old where moves group by 1, 2, 3, 4
  ), counted as (
    insert into ledger_delta (campaign_id, channel, hour, status, reason, entered, "left")
    select campaign, channel, %(hour)s, 'accepted', '', sum(number), 0
      from summed group by campaign, channel
    union all
    select campaign, channel, %(hour)s, status, reason, 0, number from summed
  )
  select (select count(*) from old), array(select id from old where not moves)
"""
_KINDS: Final = {"at": "timestamptz", "number": "int", "provider_id": "text"}
_SOURCES: Final = sources_of("accepted")


def hand_over(
    session: Session,
    answers: Sequence[Answer],
    now: datetime,
    between: tuple[datetime, datetime],
) -> None:
    """Note that these messages were taken, at most one answer for each; `between` is when they
    were accepted. What has moved on already (a webhook was quicker) stays there.
    """
    if not answers:
        return
    ordered = sorted(answers, key=_key)
    values, shown = _columns(ordered)
    ((found, late),) = db.tuples(
        session,
        _HAND_OVER.format(**shown),
        values
        | {
            "ids": literal([answer.notification_id for answer in ordered]),
            "first": between[0],
            "last": between[1],
            "sources": _SOURCES,
            "provider": ordered[0].provider,
            "hour": now.replace(minute=0, second=0, microsecond=0),
        },
    )
    if found < len(ordered):
        # Each is there. For those that were moved the same once more changes nothing.
        log.warning("messages_not_found_at_once", messages=len(ordered), found=found)
        states.move(session, [_change(answer) for answer in ordered], now)
    elif late:
        moved_on = set(late)
        changes = [_change(answer) for answer in ordered if answer.notification_id in moved_on]
        states.move(session, changes, now, between)


def _key(answer: Answer) -> int:
    return answer.notification_id


def _columns(ordered: Sequence[Answer]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the statement, and for each column the expression that finds a row's own."""
    columns: dict[str, list[Any]] = {
        "at": [answer.at for answer in ordered],
        "number": [answer.number for answer in ordered],
        "provider_id": [answer.result.provider_id for answer in ordered],
    }
    marks = list(zip(*columns.values(), strict=True))
    starts = [at for at, mark in enumerate(marks) if not at or mark != marks[at - 1]]
    values: dict[str, Any] = {"firsts": literal([ordered[at].notification_id for at in starts])}
    shown = {}
    for name, column in columns.items():
        runs = [column[at] for at in starts]
        if runs.count(runs[0]) == len(runs):
            shown[name] = f"cast(%({name})s as {_KINDS[name]})"
            values[name] = runs[0]
        else:
            run = "width_bucket(n.id, cast(%(firsts)s as bigint[]))"
            shown[name] = f"(cast(%({name})s as {_KINDS[name]}[]))[{run}]"
            values[name] = literal(runs)
    return values, shown


def _change(answer: Answer) -> Change:
    return Change(
        notification_id=answer.notification_id,
        status="accepted",
        reason=None,
        at=answer.at,
        attempts=answer.number,
        provider=answer.provider,
        provider_id=answer.result.provider_id,
    )
