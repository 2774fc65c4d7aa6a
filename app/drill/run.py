"""`herald drill`: rounds of load and fault, and the comparison with the journal."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psycopg

from app.drill.faults import FAULTS
from app.drill.house import House, running
from app.drill.load import NEWS, SERVICE, Load

# The fault begins once this share of the messages was accepted.
BEGIN_AT: Final = 0.1
PATIENCE: Final = 420.0
_OPEN: Final = (
    "select count(*) from notification where status in ('queued', 'held', 'sending', 'unknown')"
)
_NO_ANSWER: Final = "select count(*) from notification where reason = 'no_answer'"
_TOPIC: Final = "insert into topic (key, name, klass) values (%s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed. `recovered_s` counts from the end of the fault to the last message."""

    fault: str
    accepted: int
    handed_over: int
    lost: int
    doubled: int
    unknown: int
    in_air_at_kills: int
    recovered_s: float

    @property
    def kept(self) -> bool:
        """Nothing lost, and nothing twice but what was in the air when something was killed."""
        return self.lost == 0 and self.doubled <= self.in_air_at_kills


def drill(fault: str, messages: int, rounds: int) -> Iterator[Round]:
    """Run the rounds in one installation of its own; answers each as it ends.

    `fault` is a key of FAULTS. Raises ServerError when the installation does not start.
    """
    with running() as house:
        with house.database() as connection:
            connection.execute(_TOPIC, (SERVICE, "Drill", "transactional"))
            connection.execute(_TOPIC, (NEWS, "Drill news", "marketing"))
        key = house.key()
        for _ in range(rounds):
            yield _round(house, key, fault, messages)


def _round(house: House, key: str, fault: str, messages: int) -> Round:
    load = Load(house, key, messages)
    load.start()
    while len(load.accepted) < messages * BEGIN_AT and load.is_running:
        time.sleep(0.02)
    in_air = FAULTS[fault](house)
    ended = time.monotonic()
    load.wait()
    recovered = _settled(house, ended)
    journal = house.journal()
    taken = [journal[reference] for reference in load.accepted]
    return Round(
        fault=fault,
        accepted=len(load.accepted),
        handed_over=sum(1 for times in taken if times),
        lost=sum(1 for times in taken if not times),
        doubled=sum(times - 1 for times in taken if times > 1),
        unknown=_count(house, _NO_ANSWER),
        in_air_at_kills=in_air,
        recovered_s=round(recovered, 1),
    )


def _settled(house: House, since: float) -> float:
    """Seconds from `since` until no message waits any more; gives up after PATIENCE."""
    while time.monotonic() - since < PATIENCE:
        if _count(house, _OPEN) == 0:
            break
        time.sleep(0.5)
    return time.monotonic() - since


def _count(house: House, query: str) -> int:
    try:
        with house.database() as connection:
            row = connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return -1  # it is being started again
