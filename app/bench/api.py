"""`herald bench api` and `batch`: how fast messages are accepted.

Nothing is sent meanwhile, on neither side: workers and scheduler do not run, and the messages stay
in the queue. What sending costs is measured by `send`, both at once by `transactional`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from app import jobs
from app.bench import caller as callers
from app.bench import figures, load
from app.bench.figures import NotReal
from app.bench.load import Plan, Told
from app.bench.plain import accept as plain
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.db import transaction

WITHOUT: Final = (*SENDERS, "scheduler")
WARM_UP: Final = 500
BATCH_SIZE: Final = 100
QUEUE: Final = "email.transactional"


@dataclass(frozen=True, slots=True)
class Run:
    """One series of calls: messages per second, milliseconds per call, cost per message."""

    per_second: float
    percentiles: dict[str, float]
    cpu_us: dict[str, float]


def single(create_app: CreateApp, requests: int, runs: int) -> Mapping[str, Any]:
    """One message per call, beside one ORM insert and one `actor.send()` per call."""
    with scratch(create_app, without=WITHOUT) as house:
        caller = callers.make(house)
        other = plain.start(house)
        load.run(house, caller.plan(caller.singles(WARM_UP)), 202)
        load.run(house, other.plan(WARM_UP), 202)
        mine, others = [], []
        for _ in range(runs):
            mine.append(_accepted(house, caller.plan(caller.singles(requests)), requests))
            others.append(_measured(house, other.plan(requests), requests, other.accepted))
        memory = house.memory() | {"machine": house.machine}
    rate = figures.median([run.per_second for run in mine])
    other_rate = figures.median([run.per_second for run in others])
    return {
        "bench": "api",
        "requests": requests,
        **_figures(mine),
        **figures.against(rate, other_rate),
        "baseline": "Flask with pydantic, one ORM insert and one actor.send() per request",
        **_renamed("baseline_", figures.median_percentiles([run.percentiles for run in others])),
        "baseline_cpu_us": figures.median_cpu_us([run.cpu_us for run in others]),
        **memory,
    }


def batch(create_app: CreateApp, calls: int, runs: int) -> Mapping[str, Any]:
    """A hundred messages per call, beside one per call."""
    messages = calls * BATCH_SIZE
    with scratch(create_app, without=WITHOUT) as house:
        caller = callers.make(house)
        load.run(house, caller.plan(caller.singles(WARM_UP)), 202)
        load.run(house, caller.plan(caller.batches(8, BATCH_SIZE)), 202)
        mine, others = [], []
        for _ in range(runs):
            plan = caller.plan(caller.batches(calls, BATCH_SIZE))
            mine.append(_accepted(house, plan, messages))
            alone = max(WARM_UP, messages // 10)
            others.append(_accepted(house, caller.plan(caller.singles(alone)), alone))
        memory = house.memory() | {"machine": house.machine}
    rate = figures.median([run.per_second for run in mine])
    return {
        "bench": "batch",
        "requests": calls,
        "per_request": BATCH_SIZE,
        **_figures(mine),
        **figures.against(rate, figures.median([run.per_second for run in others])),
        "baseline": "the same API with one message per request",
        **memory,
    }


def _figures(runs: list[Run]) -> dict[str, Any]:
    return {
        "connections": load.CONNECTIONS,
        "runs": len(runs),
        "per_second": round(figures.median([run.per_second for run in runs])),
        "per_second_of_runs": [round(run.per_second) for run in runs],
        **figures.median_percentiles([run.percentiles for run in runs]),
        "cpu_us": figures.median_cpu_us([run.cpu_us for run in runs]),
    }


def _accepted(house: Scratch, plan: Plan, messages: int) -> Run:
    """Calls to Herald; each message must be a row in a batch that the queue knows."""
    return _measured(house, plan, messages, _in_the_books)


def _measured(house: Scratch, plan: Plan, messages: int, accepted: Callable[[], int]) -> Run:
    """Make the calls. Raises NotReal unless exactly the messages of this run were added."""
    had, before = accepted(), house.cpu_seconds()
    told = load.run(house, plan, 202)
    after = house.cpu_seconds()
    house.must_be_well()
    callers.must_be("new messages", accepted() - had, messages)
    return Run(
        messages / told.seconds,
        figures.percentiles(told.milliseconds),
        _cost(before, after, told, messages),
    )


def _cost(
    before: Mapping[str, float], after: Mapping[str, float], told: Told, messages: int
) -> dict[str, float]:
    calls = {"load": round(told.cpu_seconds / messages * 1e6, 1)}
    return figures.cpu_us(before, after, messages) | calls


def _in_the_books() -> int:
    """Messages that are committed, each in a batch that waits. Raises NotReal otherwise."""
    with transaction() as session:
        rows, in_batches, batches = session.execute(
            text(
                """
                select (select count(*) from notification where status = 'queued'),
                       coalesce(sum(cardinality(ids)), 0)::bigint, count(*)
                  from batch where state = 'pending'
                """
            )
        ).one()
    callers.must_be("messages in batches", in_batches, rows)
    if (jobs.waiting(QUEUE) or 0) < batches:
        raise NotReal(f"The queue knows fewer than the {batches:,} batches that wait.")
    return int(rows)


def _renamed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in values.items()}
