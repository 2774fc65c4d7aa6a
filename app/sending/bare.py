"""Messages to an address instead of a person: what is known about it all the same.

Whoever has the address may have opted out or asked to be erased. Asked only for batches that hold
such messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import db
from app.arrays import literal
from app.audience import erased
from app.audience.addresses import suppression_key
from app.sending.withdrawals import SUPPRESSION_KIND

_HOLDER: Final = {
    "email": "contact c on lower(c.email) = v.address",
    "sms": "contact c on c.phone = v.address",
    "ios": "device d on d.token = v.address join contact c on c.id = d.contact_id",
    "android": "device d on d.token = v.address join contact c on c.id = d.contact_id",
}

_CHOICES: Final = """
  select v.address, pr.topic_id, bool_and(pr.opted_in)
    from unnest(cast(%(addresses)s as text[])) v(address)
    join {holder}
    join preference pr on pr.contact_id = c.id and pr.channel = %(channel)s
         and pr.topic_id = any(cast(%(topics)s as bigint[]))
   group by 1, 2
"""
_ERASED: Final = """
  select distinct given.address
    from jsonb_to_recordset(cast(:marked as jsonb)) as given(kind text, mark text, address text)
    join suppression s on s.kind = given.kind and s.address = given.mark
"""


class Known(NamedTuple):
    """(address, topic) -> the choice of whoever has it; addresses whose owner was erased."""

    kind: str
    choices: Mapping[tuple[str, int], bool]
    erased: frozenset[str]

    def choice(self, address: str, topic_id: int) -> bool | None:
        """None: nobody we know has it, or nobody has chosen."""
        return self.choices.get((suppression_key(self.kind, address), topic_id))

    def is_erased(self, address: str) -> bool:
        """Whether its owner asked never to be written to again."""
        return suppression_key(self.kind, address) in self.erased


def know(session: Session, channel: str, wanted: Sequence[tuple[str, int]]) -> Known:
    """What is known about these addresses and topics, with two queries."""
    kind = SUPPRESSION_KIND[channel]
    addresses = {suppression_key(kind, address) for address, _ in wanted}
    rows: Sequence[Any] = db.tuples(
        session,
        _CHOICES.format(holder=_HOLDER[channel]),
        {
            "addresses": literal(sorted(addresses)),
            "topics": literal(sorted({topic for _, topic in wanted})),
            "channel": channel,
        },
    )
    marked = erased.marked((kind, address) for address in addresses)
    gone = session.scalars(text(_ERASED), {"marked": marked}).all()
    return Known(kind, {(row[0], row[1]): row[2] for row in rows}, frozenset(gone))
