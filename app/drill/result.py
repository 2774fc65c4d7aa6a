"""What a round showed: the list of what was accepted against the sandbox's journal."""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from app import ids
from app.drill.house import House

_STATES: Final = """
  select id, status, coalesce(reason, ''), attempts from notification where id = any(%s)
"""
# What is known of one message, in the order it became known.
_STORY: Final = """
  select at, 'attempt ' || number || ' by ' || provider || ': ' || outcome || ' ' ||
         coalesce(code, '') from attempt where notification_id = %(key)s
  union all
  select received_at, 'event ' || kind || ' of ' || at from event where notification_id = %(key)s
  union all
  select received_at, 'report ' || id || ', applied ' || coalesce(applied_at::text, 'never') ||
         ', looked at ' || tries || ' times before'
    from receipt where position(convert_to(%(id)s, 'UTF8') in body) > 0
   order by 1
"""
# Final states are left alone; everything else is still on its way.
OPEN: Final = frozenset({"queued", "held", "sending", "unknown"})
_TOLD: Final = frozenset({"delivered", "bounced"})


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed. `recovered_s` counts from the end of the fault to the last message.

    `unknown`: no answer ever came and nothing told what became of it. `campaign`: how many of the
    accepted belong to the campaign. `delivered`: webhooks said so. `waiting`: not settled in time.
    `unexplained`: came twice although not on their way at a kill.
    """

    fault: str
    accepted: int
    handed_over: int
    lost: int
    doubled: int
    unknown: int
    in_air_at_kills: int
    recovered_s: float
    campaign: int = 0
    delivered: int = 0
    waiting: int = 0
    unexplained: int = 0

    @property
    def kept(self) -> bool:
        """Nothing lost or stuck, and nothing twice but what was in the air at a kill."""
        return not self.lost and not self.waiting and self.twice_is_fair

    @property
    def twice_is_fair(self) -> bool:
        """Only what was in the air came twice, and no more than that."""
        return self.doubled <= self.in_air_at_kills and not self.unexplained


@dataclass(frozen=True, slots=True)
class Message:
    """A message with which something is wrong."""

    id: str
    handed_over: int
    status: str
    reason: str
    attempts: int
    story: Sequence[str] = ()

    def __str__(self) -> str:
        times = {0: "lost", 1: "once"}.get(self.handed_over, f"{self.handed_over} times")
        state = f"{self.status} {self.reason}".strip()
        return f"{self.id}: {times}, {state}, {self.attempts} attempts"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The accepted messages, each with how often it was handed over and what Herald says of it."""

    messages: Sequence[Message]

    @property
    def lost(self) -> int:
        """Accepted, and never handed over."""
        return sum(1 for message in self.messages if not message.handed_over)

    @property
    def doubled(self) -> int:
        """Times beyond the first."""
        return sum(max(0, message.handed_over - 1) for message in self.messages)

    def unexplained(self, in_air: Collection[str]) -> int:
        """Times beyond the first of messages that were not in the air."""
        return sum(
            max(0, message.handed_over - 1) for message in self.messages if message.id not in in_air
        )

    @property
    def waiting(self) -> int:
        """Not in a final state."""
        return self.count(OPEN)

    @property
    def unknown(self) -> int:
        """Without an answer, and nothing else told."""
        return sum(1 for m in self.messages if m.status == "unknown" or m.reason == "no_answer")

    @property
    def delivered(self) -> int:
        """A webhook told what became of them."""
        return self.count(_TOLD)

    def wrong(self) -> list[Message]:
        """Those that were lost, came twice or still wait."""
        return [m for m in self.messages if m.handed_over != 1 or m.status in OPEN]

    def count(self, statuses: Collection[str]) -> int:
        """How many are in one of these states."""
        return sum(1 for message in self.messages if message.status in statuses)


def compare(house: House, accepted: Sequence[str]) -> Comparison:
    """Read the journal and the rows. A message without a row says so."""
    handed_over: Counter[str] = house.handed_over()
    states = _states(house, accepted)
    gone = ("no row", "", 0)
    return Comparison([Message(one, handed_over[one], *states.get(one, gone)) for one in accepted])


def with_stories(house: House, messages: Sequence[Message], most: int = 20) -> list[Message]:
    """The same messages, the first of them with what is known about each."""
    found = []
    with suppress(psycopg.OperationalError), house.database() as connection:
        for message in messages[:most]:
            values = {"key": ids.decode("ntf", message.id), "id": message.id}
            rows = connection.execute(_STORY, values).fetchall()
            found.append(replace(message, story=[f"{at} {what}" for at, what in rows]))
    return [*found, *messages[len(found) :]]


def _states(house: House, accepted: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    keys = [ids.decode("ntf", one) for one in accepted]
    try:
        with house.database() as connection:
            rows = connection.execute(_STATES, [keys]).fetchall()
    except psycopg.OperationalError:
        return {}
    return {ids.encode("ntf", key): (status, why, tries) for key, status, why, tries in rows}
