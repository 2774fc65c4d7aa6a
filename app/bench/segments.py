"""`herald bench segments`: how long it takes to count who fits a rule.

The same question is also asked without the indexes: what reading the attributes of everybody costs.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import text

from app import clock
from app.audience import attribute_indexes, rules
from app.audience.models import Segment
from app.bench import caller as callers
from app.bench import crowd as crowds
from app.bench import figures
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.db import transaction

COUNTS: Final = 5  # in each run
INDEXED: Final = {
    "all": [
        {"field": "attributes.store", "op": "is", "value": "s15"},
        {"field": "country", "op": "is", "value": "GB"},
    ]
}
NEGATION: Final = {"all": [{"field": "country", "op": "is_not", "value": "DE"}]}
_SCAN: Final = """
  select count(*) from contact
   where attributes ->> 'store' = 's15' and country = 'GB' and erased_at is null
"""
_NO_INDEX: Final = ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan")


def run(create_app: CreateApp, people: int, runs: int) -> Mapping[str, Any]:
    """Milliseconds per count, medians over the runs."""
    with scratch(create_app, without=("web", "scheduler", *SENDERS)) as house:
        crowds.make(people)
        with transaction() as session:
            session.add(Segment(name="A shop", rule=INDEXED))
        attribute_indexes.ensure_used()
        with transaction() as session:
            session.execute(text("set local statement_timeout = 0"))
            session.execute(text("analyze contact"))
        ways: dict[str, Callable[[], int]] = {
            "indexed": lambda: _count(INDEXED),
            "negation": lambda: _count(NEGATION),
            "scan": _scan,
        }
        expected = {"indexed": people // 200, "negation": people - people // 5}
        expected["scan"] = expected["indexed"]
        for name, way in ways.items():
            callers.must_be(f"people found ({name})", way(), expected[name])
        found = [{name: _timed(house, way) for name, way in ways.items()} for _ in range(runs)]
        memory = house.memory() | {"machine": house.machine}
    middle = {name: figures.median([run[name][0] for run in found]) for name in ways}
    return {
        "bench": "segments",
        "people": people,
        "runs": runs,
        **{f"{name}_ms": round(value, 2) for name, value in middle.items()},
        "per_second": round(1000 / middle["indexed"], 1),
        "baseline_per_second": round(1000 / middle["scan"], 1),
        "ratio": round(middle["scan"] / middle["indexed"], 2),
        "baseline": "the indexed rule's question without an index",
        "cpu_us": figures.median_cpu_us([run["indexed"][1] for run in found]),
        **memory,
    }


def _timed(house: Scratch, way: Callable[[], int]) -> tuple[float, dict[str, float]]:
    """Median milliseconds of some counts, and the processor time of one."""
    taken, before = [], house.cpu_seconds()
    for _ in range(COUNTS):
        began = time.perf_counter()
        way()
        taken.append((time.perf_counter() - began) * 1000)
    return figures.median(taken), figures.cpu_us(before, house.cpu_seconds(), COUNTS)


def _count(rule: object) -> int:
    with transaction() as session:
        return rules.count(session, rule, clock.now())


def _scan() -> int:
    with transaction() as session:
        for setting in _NO_INDEX:
            session.execute(text(f"set local {setting} = off"))
        return int(session.scalar(text(_SCAN)) or 0)
