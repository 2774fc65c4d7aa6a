"""Compares the counters of states with the messages, and the queued messages with the batches.

Everything is read in one snapshot, so whatever is being sent meanwhile does not matter: a single
message that is counted wrongly or that no batch holds is a difference.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

SECONDS: Final = 300  # for each of the three questions
MOST_DIFFERENCES: Final = 100
MOST_LOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A state of a channel (of a campaign; None: outside campaigns) that does not add up."""

    campaign_id: int | None
    campaign: str
    channel: str
    status: str
    reason: str
    booked: int
    counted: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`lost`: keys of queued messages that no open batch holds, at most MOST_LOST of them.

    `doubled`: how many queued messages are in more than one open batch.
    """

    differences: Sequence[Difference]
    messages: int
    queued: int
    lost: Sequence[int]
    doubled: int
    seconds: float

    @property
    def balanced(self) -> bool:
        """Everything is in exactly one place."""
        return not (self.differences or self.lost or self.doubled)


_TOTALS: Final = """
with booked as materialized (
  select campaign_id, channel, status, reason, sum(n)::bigint as n from (
    select campaign_id, channel, status, reason, entered - "left" as n from ledger_count
    union all
    select campaign_id, channel, status, reason, entered - "left" from ledger_delta
  ) entries group by 1, 2, 3, 4 having sum(n) <> 0
), counted as materialized (
  select coalesce(campaign_id, 0) as campaign_id, channel, status, coalesce(reason, '') as reason,
         count(*) as n
    from notification group by 1, 2, 3, 4
), compared as (
  select campaign_id, channel, status, reason, coalesce(b.n, 0) as booked,
         coalesce(c.n, 0) as counted
    from booked b full join counted c using (campaign_id, channel, status, reason)
)
select 0, '', '', '', '', coalesce(sum(counted), 0)::bigint,
       coalesce(sum(counted) filter (where status = 'queued'), 0)::bigint from compared
union all
(select d.campaign_id, coalesce(c.name, ''), channel, d.status, reason, booked, counted
   from compared d left join campaign c on c.id = d.campaign_id
  where booked <> counted order by abs(booked - counted) desc, 1, 3, 4, 5 limit :most)
"""
_MEMBERS: Final = """
with member as materialized (
  select unnest(ids) as id from batch where state in ('pending', 'claimed', 'dispatching')
)
"""
# What is left of a cancelled campaign is being settled, and is in no batch meanwhile.
_LOST: Final = f"""
{_MEMBERS}
select q.id from notification q
 where q.status = 'queued' and not exists (select from member m where m.id = q.id)
   and not exists (select from campaign c where c.id = q.campaign_id and c.status = 'cancelled')
 order by q.id limit :most
"""
_DOUBLED: Final = f"""
{_MEMBERS}
select count(*) from (select id from member group by id having count(*) > 1) twice
 where exists (select from notification n where n.id = twice.id and n.status = 'queued')
"""


def compare(engine: Engine) -> Comparison:
    """Compare everything, in one read-only snapshot. Raises OperationalError when it takes too long

    or the database is away. Uses one core of the database at most.
    """
    started = time.monotonic()
    with engine.connect() as plain:
        connection = plain.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with connection.begin():
            connection.execute(text(f"set local statement_timeout = '{SECONDS}s'"))
            connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
            connection.execute(text("set local max_parallel_workers_per_gather = 0"))
            connection.execute(text("set local jit = off"))
            messages, queued, differences = _totals(connection)
            lost, doubled = _membership(connection) if queued else ([], 0)
    return Comparison(differences, messages, queued, lost, doubled, time.monotonic() - started)


def _totals(connection: Connection) -> tuple[int, int, list[Difference]]:
    whole, *rows = connection.execute(text(_TOTALS), {"most": MOST_DIFFERENCES}).all()
    return whole[5], whole[6], [Difference(row[0] or None, *row[1:]) for row in rows]


def _membership(connection: Connection) -> tuple[list[int], int]:
    lost = connection.scalars(text(_LOST), {"most": MOST_LOST}).all()
    return list(lost), connection.scalar(text(_DOUBLED)) or 0
