"""`herald bench transactional`: from acceptance to the provider, idle and beside a campaign.

A time is measured from the moment Herald gives a message (`accepted_at`, taken at the beginning of
the call, before the commit) to the moment at which the sandbox wrote it down: two clocks of one
machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from app import ids
from app.bench import caller as callers
from app.bench import crowd as crowds
from app.bench import figures, load, send
from app.bench.caller import Caller
from app.bench.crowd import Crowd
from app.bench.figures import NotReal
from app.bench.load import Loader
from app.bench.scratch import CreateApp, Scratch, scratch
from app.db import transaction

WARM_UP: Final = 100
LONGEST: Final = 1800
FEWEST: Final = 20  # below this a 95th percentile says nothing


@dataclass(frozen=True, slots=True)
class Wish:
    """`messages` when idle, sent at `rate` per second; as long as the campaign runs when not."""

    channel: str = "email"
    bulk: int = 100_000
    messages: int = 300
    rate: int = 20
    runs: int = 3
    log_rows: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What happened beside one campaign."""

    percentiles: dict[str, float]
    bulk_per_second: float
    messages: int
    cpu_us: dict[str, float]


def run(create_app: CreateApp, wish: Wish) -> Mapping[str, Any]:
    """Percentiles idle and loaded, medians over the runs."""
    idle, loaded = [], []
    with scratch(create_app) as house:
        crowd = crowds.make(wish.bulk, wish.channel)
        crowds.fill_log(crowd, wish.log_rows)
        caller = callers.make(house)
        send.campaign(house, wish.channel, crowd, few=True)
        _alone(house, caller, WARM_UP, wish.rate)
        for _ in range(wish.runs):
            idle.append(_alone(house, caller, wish.messages, wish.rate))
            loaded.append(_beside(house, caller, crowd, wish))
        memory = house.memory() | {"machine": house.machine}
    calm = figures.median_percentiles(idle)
    busy = figures.median_percentiles([each.percentiles for each in loaded])
    return {
        "bench": "transactional",
        "channel": wish.channel,
        "bulk": wish.bulk,
        "rate": wish.rate,
        "runs": wish.runs,
        "log_rows": wish.log_rows,
        "per_second": round(figures.median([each.bulk_per_second for each in loaded])),
        "messages": [each.messages for each in loaded],
        **{f"idle_{name}": value for name, value in calm.items()},
        **{f"loaded_{name}": value for name, value in busy.items()},
        "ratio": round(busy["p95_ms"] / max(calm["p95_ms"], 0.01), 2),
        "baseline": "the same messages while nothing else is sent (ratio of the p95)",
        "baseline_per_second": None,
        "cpu_us": figures.median_cpu_us([each.cpu_us for each in loaded]),
        **memory,
    }


def _alone(house: Scratch, caller: Caller, messages: int, rate: int) -> dict[str, float]:
    place, last = house.journal.end(), _last(caller)
    load.run(house, caller.plan(caller.singles(messages), rate), 202)
    send.await_receipts()
    waits = _waits(house, place, _accepted(caller, last))
    callers.must_be("messages measured", len(waits), messages)
    return figures.percentiles(waits)


def _beside(house: Scratch, caller: Caller, crowd: Crowd, wish: Wish) -> Loaded:
    place, before, last = house.journal.end(), house.cpu_seconds(), _last(caller)
    loader = Loader(house, caller.plan(caller.singles(LONGEST * wish.rate), wish.rate))
    key = send.launch(wish.channel, crowd)
    send.await_end(house, key)
    loader.stop()
    loader.wait()
    loader.told(202)
    send.await_receipts()
    used = figures.cpu_us(before, house.cpu_seconds(), crowd.people)
    messages = _accepted(caller, last)
    house.journal.must_hold(place, crowd.people + len(messages))
    began, ended = send.span(key)
    during = {name: at for name, at in messages.items() if began <= at <= ended}
    if len(during) < FEWEST:
        raise NotReal(
            f"Only {len(during)} messages fell into the campaign's {(ended - began).seconds} s: "
            "give --bulk or --rate a larger number."
        )
    waits = _waits(house, place, during)
    seconds = (ended - began).total_seconds()
    return Loaded(figures.percentiles(waits), crowd.people / seconds, len(during), used)


def _last(caller: Caller) -> int:
    with transaction() as session:
        found = session.scalar(
            text("select max(id) from notification where api_key_id = :key"),
            {"key": caller.key_id},
        )
    return int(found or 0)


def _accepted(caller: Caller, after: int) -> dict[str, datetime]:
    """Public id → moment of acceptance, of what the caller has sent since then."""
    with transaction() as session:
        rows = session.execute(
            text(
                "select id, accepted_at from notification where api_key_id = :key and id > :after"
            ),
            {"key": caller.key_id, "after": after},
        ).all()
    return {ids.encode("ntf", key): at for key, at in rows}


def _waits(house: Scratch, place: int, messages: Mapping[str, datetime]) -> list[float]:
    """Milliseconds from acceptance to the sandbox. Raises NotReal when one never arrived."""
    taken = house.journal.moments(place, messages.keys())
    callers.must_be("messages in the journal", len(taken), len(messages))
    return [(taken[name] - at).total_seconds() * 1000 for name, at in messages.items()]
