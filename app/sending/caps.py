"""The frequency cap: how many marketing messages a person has had, counted so that none slips by.

Counted are messages, not devices: a campaign's push to a telephone and a tablet is one, its e-mail
and its text message are two. What other batches are just handing over counts as well: they note it
(`CapHold`) while they hold a lock on the people concerned, so two campaigns that meet at a person
cannot both take the last place.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.policy.facts import Cap, Class
from app.sending.batches import Claim
from app.sending.vocabulary import PUSH

# A message may be handed over long after it was accepted (`send_at` is up to 90 days ahead): this
# far back rows are looked at.
LONGEST_WAIT: Final = timedelta(days=100)


def kind(column: str) -> str:
    """SQL: e-mail and text messages are kinds of their own, pushes are one."""
    return f"case when {column} in ('ios', 'android') then 'push' else {column} end"


# One row per marketing message that the person `{contact}` has had: campaign, kind, moment.
HAD: Final = f"""
  select coalesce(s.campaign_id, -s.id) as campaign, {kind("s.channel")} as kind,
         max(coalesce(s.handed_at, s.accepted_at)) as at
    from notification s join topic st on st.id = s.topic_id and st.klass = 'marketing'
   where s.contact_id = {{contact}} and s.accepted_at > :accepted_since
     and s.status in ('accepted', 'delivered', 'unknown') and not s.test
     and coalesce(s.handed_at, s.accepted_at) > :since
   group by 1, 2
"""

# What message `n` finds: how many were `sent`, and when the one whose place falls free first.
USES: Final = f"""
  left join lateral (
    select count(*) as sent, (array_agg(u.at order by u.at desc))[:cap] as filling
      from (
        select campaign, kind, max(at) as at from (
          {HAD.format(contact="n.contact_id")}
          union all
          select h.campaign, h.kind, h.at from cap_hold h
           where h.contact_id = n.contact_id and h.batch_id <> :batch
        ) both_sources group by 1, 2
      ) u
     where (u.campaign, u.kind)
           is distinct from (coalesce(n.campaign_id, -n.id), {kind("n.channel")})
  ) cap on n.contact_id is not null
"""
NO_USES: Final = "cross join (select 0 as sent, null::timestamptz as filling) cap"

# More important messages that wait for the same person and are not on their way yet.
RIVALS: Final = f"""
  left join lateral (
    select count(distinct (r.campaign_id, {kind("r.channel")})) as rivals
      from notification r
      join campaign rc on rc.id = r.campaign_id and rc.importance = 'high'
      join topic rt on rt.id = r.topic_id and rt.klass = 'marketing'
     where r.contact_id = n.contact_id and r.status in ('queued', 'held') and not r.test
       and r.accepted_at > :accepted_since
       and not exists (select from cap_hold h where h.notification_id = r.id)
  ) rival on n.contact_id is not null and coalesce(c.importance, 'normal') = 'normal'
"""
NO_RIVALS: Final = "cross join (select 0 as rivals) rival"


def since(cap: Cap | None, now: datetime) -> dict[str, Any]:
    """Values of the names in HAD and USES."""
    begins = now - timedelta(days=cap.days if cap else 0)
    return {
        "since": begins,
        "accepted_since": begins - LONGEST_WAIT,
        "cap": cap.messages if cap else 1,
    }


def lock(session: Session, claim: Claim) -> None:
    """Nobody else may count for the people of this batch until our transaction ends."""
    session.execute(
        text(
            """
            select p.id from contact p where p.id in (
              select n.contact_id from notification n
                join topic t on t.id = n.topic_id and t.klass = 'marketing'
               where n.id = any(cast(:ids as bigint[]))
                 and n.accepted_at between :first and :last)
             order by p.id for no key update of p
            """
        ),
        {
            "ids": literal(claim.ids),
            "first": claim.accepted_from,
            "last": claim.accepted_to,
        },
    )


class Counted(Protocol):
    """A row of a batch."""

    @property
    def id(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def campaign_id(self) -> int | None: ...
    @property
    def contact_id(self) -> int | None: ...
    @property
    def klass(self) -> Class: ...


@dataclass(slots=True)
class Places:
    """The places that the messages of one batch take, message by message."""

    cap: Cap | None
    _taken: dict[int, set[tuple[int, str]]] = field(default_factory=lambda: defaultdict(set))
    _rows: list[tuple[int, int, int, str]] = field(default_factory=list)

    def taken_before(self, row: Counted) -> int:
        """How many places other messages of the same batch take for the same person."""
        if self.cap is None or row.contact_id not in self._taken:
            return 0
        return len(self._taken[row.contact_id] - {_slot(row)})

    def take(self, row: Counted) -> None:
        """This message goes."""
        if self.cap is None or row.contact_id is None or row.klass != "marketing":
            return
        campaign, sort = _slot(row)
        self._taken[row.contact_id].add((campaign, sort))
        self._rows.append((row.id, row.contact_id, campaign, sort))

    def hold(self, session: Session, claim: Claim, now: datetime) -> bool:
        """Let other batches see it until this one is recorded; False when there is nothing.

        What goes to the sandbox takes no place from real messages.
        """
        if self._rows and not claim.test:
            session.execute(text(_HOLD), _columns(self._rows) | {"batch": claim.id, "now": now})
        return bool(self._rows) and not claim.test


_HOLD: Final = """
  insert into cap_hold (notification_id, contact_id, campaign, kind, batch_id, at)
  select id, contact_id, campaign, kind, :batch, :now
    from unnest(cast(:ids as bigint[]), cast(:contacts as bigint[]), cast(:campaigns as bigint[]),
                cast(:kinds as text[])) v(id, contact_id, campaign, kind)
  on conflict (notification_id) do update set batch_id = excluded.batch_id, at = excluded.at
"""


def _columns(rows: Sequence[tuple[int, int, int, str]]) -> dict[str, Any]:
    ids, contacts, campaigns, kinds = zip(*rows, strict=True)
    return {
        "ids": literal(ids),
        "contacts": literal(contacts),
        "campaigns": literal(campaigns),
        "kinds": literal(kinds),
    }


def _slot(row: Counted) -> tuple[int, str]:
    return row.campaign_id or -row.id, "push" if row.channel in PUSH else row.channel


def let_go(session: Session, claim: Claim) -> None:
    """The batch is recorded, or nobody sends it: its rows speak for themselves now."""
    session.execute(text("delete from cap_hold where batch_id = :batch"), {"batch": claim.id})
