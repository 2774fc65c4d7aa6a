"""`herald bench send`: a campaign from launch to the last recorded answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from app import clock
from app.bench import crowd as crowds
from app.bench import figures
from app.bench.crowd import Crowd
from app.bench.figures import NotReal
from app.bench.plain import send as plain
from app.bench.scratch import CreateApp, Scratch, scratch
from app.campaigns import lifecycle
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion
from app.db import transaction
from app.tracking import receipts

LONGEST: Final = 1800.0
QUIET_LOOKS: Final = 10  # the sandbox tells of a delivery about a second later
SILENT: Final = {"processed": False, "delivered": False}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured; `provider` matters for e-mail only."""

    channel: str = "email"
    provider: str = "sendgrid"
    recipients: int = 20_000
    baseline_recipients: int = 1_000
    baseline_processes: int = 0  # one per core
    runs: int = 3
    log_rows: int = 0
    webhooks: bool = True


def run(create_app: CreateApp, wish: Wish) -> Mapping[str, Any]:
    """Medians over `runs` campaigns, and of the baseline's runs between them."""
    provider = wish.provider if wish.channel == "email" else crowds.PROVIDERS[wish.channel]
    sends, plains = [], []
    with scratch(create_app, settings={"EMAIL_PROVIDER": wish.provider}) as house:
        crowd = crowds.make(wish.recipients, wish.channel)
        crowds.fill_log(crowd, wish.log_rows)
        if wish.baseline_recipients:
            plain.start(house, wish.channel, provider, crowd, wish.baseline_processes)
        _warm_up(house, wish, crowd)
        for _ in range(wish.runs):
            house.control("events", SILENT if not wish.webhooks else {})
            sends.append(campaign(house, wish.channel, crowd))
            if wish.baseline_recipients:
                house.control("events", SILENT)
                plains.append(plain.run(house, _baseline(wish)))
                house.control("events", dict.fromkeys(SILENT, True))
        told = house.memory() | {"machine": house.machine}
    return _report(wish, provider, sends, plains) | told


def campaign(house: Scratch, channel: str, crowd: Crowd, *, few: bool = False) -> Mapping[str, Any]:
    """One campaign. Raises NotReal unless the sandbox took the message of each person once."""
    people = crowd.few if few else crowd.people
    place, before = house.journal.end(), house.cpu_seconds()
    key = launch(channel, crowd, few=few)
    await_end(house, key)
    await_receipts()
    used = figures.cpu_us(before, house.cpu_seconds(), people)
    began, ended = span(key)
    return {
        "per_second": people / max((ended - began).total_seconds(), 0.001),
        "handed_over": house.journal.must_hold(place, people),
        "cpu_us": used,
    }


def draft(channel: str, crowd: Crowd, *, few: bool = False) -> int:
    """A campaign on one channel, ready to be launched; answers its key."""
    with transaction() as session:
        version = TemplateVersion(state="draft", content={channel: crowds.content()[channel]})
        session.add(version)
        session.flush()
        made = Campaign(
            name="Benchmark",
            topic_id=crowd.topic_id,
            channels=[channel],
            include_segments=[crowd.few_id if few else crowd.everyone_id],
            version_id=version.id,
        )
        session.add(made)
        session.flush()
        return made.id


def launch(channel: str, crowd: Crowd, *, few: bool = False) -> int:
    """Make a campaign and launch it; answers its key."""
    key = draft(channel, crowd, few=few)
    with transaction() as session:
        lifecycle.approve(session, key, None, clock.now())
    return key


def await_end(house: Scratch, campaign_id: int) -> None:
    """Until every message of the campaign is settled. Raises NotReal after half an hour."""
    status, end = "", time.monotonic() + LONGEST
    while status != "sent":
        if time.monotonic() > end:
            raise NotReal(f"The campaign is still {status}.")
        time.sleep(0.2)
        house.must_be_well()
        with transaction() as session:
            status = session.get_one(Campaign, campaign_id).status


def await_receipts() -> None:
    """Until what the sandbox tells about the messages is applied: it belongs to their cost."""
    quiet, end = 0, time.monotonic() + LONGEST
    while quiet < QUIET_LOOKS:
        if time.monotonic() > end:
            raise NotReal("Webhooks still wait to be applied.")
        time.sleep(0.2)
        with transaction() as session:
            quiet = 0 if any(receipts.waiting(session).values()) else quiet + 1


def _warm_up(house: Scratch, wish: Wish, crowd: Crowd) -> None:
    """Fill caches, open connections, let statements be prepared."""
    campaign(house, wish.channel, crowd, few=True)
    if wish.baseline_recipients:
        plain.run(house, min(crowd.few, _baseline(wish)))


def _baseline(wish: Wish) -> int:
    return min(wish.baseline_recipients, wish.recipients)


def span(campaign_id: int) -> tuple[datetime, datetime]:
    """From the launch to the moment at which the last batch was recorded."""
    with transaction() as session:
        began, ended = session.execute(
            text(
                "select min(c.launched_at), max(b.done_at) "
                "from batch b join campaign c on c.id = b.campaign_id where c.id = :id"
            ),
            {"id": campaign_id},
        ).one()
    if began is None or ended is None:
        raise NotReal("The campaign has no batch that was sent.")
    return began, ended


def _report(
    wish: Wish, provider: str, sends: Sequence[Mapping[str, Any]], plains: Sequence[plain.Found]
) -> dict[str, Any]:
    rates = [each["per_second"] for each in sends]
    other = figures.median([each.per_second for each in plains]) if plains else 0.0
    return {
        "bench": "send",
        "channel": wish.channel,
        "provider": provider,
        "recipients": wish.recipients,
        "runs": wish.runs,
        "log_rows": wish.log_rows,
        "webhooks": wish.webhooks,
        "per_second": round(figures.median(rates)),
        "per_second_of_runs": [round(rate) for rate in rates],
        "handed_over": sum(each["handed_over"] for each in sends),
        "cpu_us": figures.median_cpu_us([each["cpu_us"] for each in sends]),
        **figures.against(figures.median(rates), other),
        "baseline": f"one Dramatiq job and one {provider} call per recipient",
        "baseline_recipients": _baseline(wish) if plains else 0,
        "baseline_cpu_us": figures.median_cpu_us([each.cpu_us for each in plains])
        if plains
        else {},
    }
