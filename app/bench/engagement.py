"""`herald bench engagement`: opens and clicks, from the request to the stored event.

Half of the hits load the pixel, half follow a link. Senders and scheduler do not run.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text

from app.bench import caller as callers
from app.bench import crowd as crowds
from app.bench import figures, load
from app.bench.crowd import Kind
from app.bench.figures import NotReal
from app.bench.load import Plan, Request
from app.bench.plain import accept as plain
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.db import transaction
from app.tracking.tokens import Tokens

WARM_UP: Final = 400
PEOPLE: Final = 1_000
STORED_SECONDS: Final = 60.0
_AGENT: Final = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15"
_STORED: Final = "select count(*) from event where kind in ('opened', 'clicked')"


def run(create_app: CreateApp, hits: int, runs: int) -> Mapping[str, Any]:
    """Requests per second and milliseconds, beside one INSERT per hit."""
    with scratch(create_app, without=(*SENDERS, "scheduler")) as house:
        caller = callers.make(house)
        crowd = crowds.make(PEOPLE)
        kind = Kind(version_id=caller.version_id)
        crowds.fill_log(crowd, WARM_UP + hits * runs, kind)
        other = plain.start(house)
        paths = _paths(house, crowds.log_keys("email"))
        _measured(house, house.place.web_url, paths[:WARM_UP], _stored)
        _measured(house, other.base_url, paths[:WARM_UP], other.hits)
        mine, others = [], []
        for number in range(runs):
            part = paths[WARM_UP + number * hits :][:hits]
            mine.append(_measured(house, house.place.web_url, part, _stored))
            others.append(_measured(house, other.base_url, part, other.hits))
        memory = house.memory() | {"machine": house.machine}
    rate = figures.median([run["per_second"] for run in mine])
    return {
        "bench": "engagement",
        "hits": hits,
        "connections": load.CONNECTIONS,
        "runs": runs,
        "per_second": round(rate),
        "stored_per_second": round(figures.median([run["stored_per_second"] for run in mine])),
        **figures.median_percentiles([run["percentiles"] for run in mine]),
        "cpu_us": figures.median_cpu_us([run["cpu_us"] for run in mine]),
        **figures.against(rate, figures.median([run["per_second"] for run in others])),
        "baseline": "the same requests with one ORM insert per hit",
        "baseline_cpu_us": figures.median_cpu_us([run["cpu_us"] for run in others]),
        **memory,
    }


def _paths(house: Scratch, keys: Sequence[int]) -> list[Request]:
    """For each message in turn a pixel or a link."""
    track = Tokens.of(house.settings).track
    return [
        Request(f"/c/{track.sign_id(key)}/1" if place % 2 else f"/o/{track.sign_id(key)}.gif")
        for place, key in enumerate(keys)
    ]


def _measured(
    house: Scratch, base_url: str, requests: Sequence[Request], stored: Callable[[], int]
) -> dict[str, Any]:
    """Make the requests and wait until all hits are in the database. Raises NotReal otherwise."""
    wanted, before, began = stored() + len(requests), house.cpu_seconds(), time.monotonic()
    told = load.run(house, Plan(base_url, [_AGENT], requests), 200, 302)
    while (found := stored()) < wanted:
        if time.monotonic() - began > told.seconds + STORED_SECONDS:
            raise NotReal(f"{wanted - found:,} of {len(requests):,} hits were not stored.")
        time.sleep(0.05)
    seconds = time.monotonic() - began
    callers.must_be("hits stored", found, wanted)
    house.must_be_well()
    used = figures.cpu_us(before, house.cpu_seconds(), len(requests))
    return {
        "per_second": len(requests) / told.seconds,
        "stored_per_second": len(requests) / seconds,
        "percentiles": figures.percentiles(told.milliseconds),
        "cpu_us": used | {"load": round(told.cpu_seconds / len(requests) * 1e6, 1)},
    }


def _stored() -> int:
    with transaction() as session:
        return int(session.scalar(text(_STORED)) or 0)
