"""Enter accepted messages into the books: rows, counters and batches in one statement.

A call of the API lasts as long as its round trips to the database, and the ORM costs more than the
statements do: three inserts of its kind were most of the price of a message.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from app import jobs
from app.audience import erased
from app.sending.batches import SIZE

# column -> type, as `jsonb_to_recordset` has to be told
_COLUMNS: Final = {
    "accepted_at": "timestamptz",
    "origin": "text",
    "test": "boolean",
    "lane": "text",
    "channel": "text",
    "status": "text",
    "reason": "text",
    "contact_id": "bigint",
    "device_id": "bigint",
    "topic_id": "bigint",
    "version_id": "bigint",
    "address": "text",
    "data": "jsonb",
    "metadata": "jsonb",
    "api_key_id": "bigint",
    "request_id": "text",
    "fallback": "text[]",
    "send_after": "timestamptz",
    "hold_reason": "text",
    "expires_at": "timestamptz",
    "final_at": "timestamptz",
}
_NAMES: Final = ", ".join(_COLUMNS)
_TYPES: Final = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())

# Keys are drawn in the order of the drafts, so sorting the keys gives that order back.
_ENTER: Final = f"""
    with recalled as ({erased.RECALL}),
    entered as (
      insert into notification ({_NAMES})
      select {_NAMES}
        from jsonb_to_recordset(%(drafts)s::jsonb) as draft(position int, {_TYPES})
       order by draft.position
      returning id, lane, channel, test, status, reason
    ),
    counted as (
      insert into ledger_delta (campaign_id, channel, hour, status, reason, entered, "left")
      select 0, channel, %(hour)s::timestamptz, status, coalesce(reason, ''), count(*), 0
        from entered group by channel, status, reason
    ),
    numbered as (
      select id, lane, channel, test,
             (row_number() over (partition by channel, lane, test order by id) - 1) / {SIZE} as part
        from entered where status = 'queued'
    ),
    batched as (
      insert into batch
        (channel, lane, test, ids, accepted_from, accepted_to, created_at, nudged_at)
      select channel, lane, test, array_agg(id order by id), %(now)s::timestamptz,
             %(now)s::timestamptz, %(now)s::timestamptz, %(now)s::timestamptz
        from numbered group by channel, lane, test, part order by min(id)
      returning id, channel, lane
    )
    select array(select id from entered order by id),
           array(select id from batched order by id),
           array(select channel || '.' || lane from batched order by id)
"""


def enter(
    session: Session,
    drafts: Sequence[Mapping[str, Any]],
    addresses: Iterable[erased.Address],
    now: datetime,
) -> Sequence[int]:
    """Insert these rows, all accepted `now`, and ask for the queued ones after the commit.

    `addresses` are those among them that may have been erased before (`erased.recall`). Answers
    one key per draft, in order.
    """
    rows = [{"position": position, **draft} for position, draft in enumerate(drafts)]
    session.flush()  # what the caller has added must be there before its messages
    keys, batches, queues = (
        session.connection()
        .exec_driver_sql(
            _ENTER,
            {
                "drafts": orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS).decode(),
                "marked": erased.marked(addresses),
                "now": now,
                "hour": now.replace(minute=0, second=0, microsecond=0),
            },
        )
        .one()
    )
    jobs.enqueue_after_commit(
        session,
        [
            jobs.deliver(batch, *queue.split("."))
            for batch, queue in zip(batches, queues, strict=True)
        ],
    )
    found: list[int] = keys
    return found
