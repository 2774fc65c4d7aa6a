"""`herald bench launch`: from the button to the last batch in the queue, without sending.

No worker runs; this process does what the worker's `fan_out` job does, with the same functions, so
that nothing else is measured.
"""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from app import clock, jobs
from app.bench import caller as callers
from app.bench import crowd as crowds
from app.bench import figures, send
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.campaigns import fanout, lifecycle
from app.campaigns.models import Campaign
from app.db import transaction


def run(
    create_app: CreateApp, channel: str, recipients: int, runs: int, log_rows: int
) -> Mapping[str, Any]:
    """Seconds and rows per second, medians over the runs."""
    with scratch(create_app, without=("web", "scheduler", *SENDERS)) as house:
        crowd = crowds.make(recipients, channel)
        crowds.fill_log(crowd, log_rows)
        _launch(house, channel, send.draft(channel, crowd, few=True), crowd.few)
        found = [
            _launch(house, channel, send.draft(channel, crowd), recipients) for _ in range(runs)
        ]
        memory = house.memory() | {"machine": house.machine}
    seconds = [each for each, _ in found]
    return {
        "bench": "launch",
        "channel": channel,
        "recipients": recipients,
        "runs": runs,
        "log_rows": log_rows,
        "seconds": round(figures.median(seconds), 2),
        "seconds_of_runs": [round(each, 2) for each in seconds],
        "per_second": round(recipients / figures.median(seconds)),
        **figures.against(0.0, 0.0),
        "cpu_us": figures.median_cpu_us([used for _, used in found]),
        **memory,
    }


def _launch(
    house: Scratch, channel: str, campaign_id: int, recipients: int
) -> tuple[float, dict[str, float]]:
    """Seconds, and cost per recipient. Raises NotReal unless everybody is in a queued batch."""
    queue = f"{channel}.bulk"
    queued, before, began = jobs.waiting(queue) or 0, house.cpu_seconds(), time.monotonic()
    with transaction() as session:
        lifecycle.approve(session, campaign_id, None, clock.now())
    more = True
    while more:
        with transaction() as session:
            more = fanout.next_chunk(session, campaign_id, clock.now())
    seconds = time.monotonic() - began
    used = figures.cpu_us(before, house.cpu_seconds(), recipients)
    with transaction() as session:
        callers.must_be(
            "people in the campaign", session.get_one(Campaign, campaign_id).people or 0, recipients
        )
        in_batches, batches = session.execute(
            text(
                "select coalesce(sum(cardinality(ids)), 0)::bigint, count(*) from batch "
                "where campaign_id = :id and state = 'pending'"
            ),
            {"id": campaign_id},
        ).one()
    callers.must_be("people in batches", in_batches, recipients)
    callers.must_be("batches in the queue", (jobs.waiting(queue) or 0) - queued, batches)
    return seconds, used
