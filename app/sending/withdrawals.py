"""What was withdrawn from a batch while it is being handed over.

The batch as a whole (somebody else has it now, its lane or campaign was paused or cancelled, the
installation is held), or single messages (the person opted out, the address was suppressed, the
message was cancelled). What is withdrawn goes back to the queue, where it is decided anew and gets
its reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.sending.batches import Claim


@dataclass(slots=True)
class Withdrawn:
    """`whole`: nothing more of the batch may begin; else the `keys` of messages that may not."""

    whole: bool = True
    keys: set[int] = field(default_factory=set)


_STILL_OURS: Final = """
  select b.id from unnest(cast(:ids as bigint[]), cast(:fences as int[])) v(id, fence)
    join batch b on b.id = v.id and b.fence = v.fence and b.state in ('claimed', 'dispatching')
    left join campaign c on c.id = b.campaign_id
    left join lane_state l on l.channel = b.channel and l.lane = b.lane
   where l.paused_at is null and c.status is distinct from 'paused'
     and c.status is distinct from 'cancelled'
     and not exists (select from installation where held_at is not null)
"""

_MESSAGES: Final = """
  select n.id from notification n
    join topic t on t.id = n.topic_id
    left join contact p on p.id = n.contact_id
    left join preference pr on pr.contact_id = n.contact_id and pr.topic_id = n.topic_id
         and pr.channel = n.channel
    left join suppression su on su.address = lower(n.address) and su.kind = :kind
    left join device d on d.id = n.device_id
   where n.id = any(cast(:keys as bigint[])) and n.accepted_at between :first and :last
     and (n.status <> 'queued' or p.erased_at is not null or d.contact_id <> n.contact_id
          or (su.id is not null and (su.scope = 'all' or t.klass = 'marketing'))
          or (t.klass <> 'security' and not coalesce(pr.opted_in, t.opted_in_by_default)))
"""
SUPPRESSION_KIND: Final = {"email": "email", "sms": "phone", "ios": "token", "android": "token"}


def look(session: Session, going: Sequence[tuple[Claim, Sequence[int]]]) -> Mapping[int, Withdrawn]:
    """batch -> what is withdrawn of it. `going` pairs claims with keys of their messages."""
    found = {claim.id: Withdrawn() for claim, _ in going}
    ours = session.scalars(
        text(_STILL_OURS),
        {
            "ids": [claim.id for claim, _ in going],
            "fences": [claim.fence for claim, _ in going],
        },
    ).all()
    for claim, keys in going:
        if claim.id in ours:
            found[claim.id] = Withdrawn(False, _messages(session, claim, keys))
    return found


def _messages(session: Session, claim: Claim, keys: Sequence[int]) -> set[int]:
    return set(
        session.scalars(
            text(_MESSAGES),
            {
                "keys": literal(keys),
                "kind": SUPPRESSION_KIND[claim.channel],
                "first": claim.accepted_from,
                "last": claim.accepted_to,
            },
        )
    )
