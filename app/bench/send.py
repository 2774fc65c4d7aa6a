"""`herald bench send`: a campaign from launch to the last recorded answer."""

import platform
import statistics
import time
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from sqlalchemy import text

from app import clock
from app.audience.models import Segment, Topic
from app.bench.scratch import CreateApp, Scratch, scratch
from app.campaigns import lifecycle
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion
from app.db import transaction
from app.tracking import receipts

LONGEST: Final = 900.0
QUIET_LOOKS: Final = 10  # the sandbox tells of a delivery about a second later
_PEOPLE: Final = """
  insert into contact (external_id, email, phone, first_name, last_name, locale, country, timezone,
                       attributes)
  select 'bench-' || n, 'person' || n || '@example.com', '+4477' || lpad(n::text, 8, '0'),
         'Ada' || n, 'Baker', 'en-GB', 'GB', 'Europe/London',
         jsonb_build_object('plan', case n % 2 when 0 then 'plus' else 'none' end)
    from generate_series(1, :people) n
"""
_DEVICES: Final = """
  insert into device (contact_id, platform, token, app, registered_at)
  select id, :platform, md5(id::text) || md5('x' || id), 'example.bench.app',
         now() - interval '1 year' from contact
"""


def run(create_app: CreateApp, channel: str, recipients: int, runs: int) -> Mapping[str, Any]:
    """Median over `runs` campaigns of `recipients` people each, in one scratch installation."""
    with scratch(create_app) as house:
        topic_id, segment_id = _prepare(channel, recipients)
        results = [_campaign(house, channel, recipients, topic_id, segment_id) for _ in range(runs)]
        memory = house.rss_mb()
    return {
        "channel": channel,
        "recipients": recipients,
        "runs": runs,
        "per_second": round(statistics.median(result["per_second"] for result in results)),
        "per_second_of_runs": [round(result["per_second"]) for result in results],
        "cpu_us": results[-1]["cpu_us"],
        "handed_over": results[-1]["handed_over"],
        "rss_mb": memory,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def _prepare(channel: str, recipients: int) -> tuple[int, int]:
    with transaction() as session:
        session.execute(text(_PEOPLE), {"people": recipients})
        if channel in ("ios", "android"):
            session.execute(text(_DEVICES), {"platform": channel})
        topic = Topic(key="bench", name="Bench", klass="marketing")
        segment = Segment(name="Everyone", rule={"all": []})
        session.add_all([topic, segment])
        session.flush()
        session.execute(text("analyze contact"))
        return topic.id, segment.id


def content() -> dict[str, Any]:
    """A realistic newsletter, and short texts for the other channels."""
    page = resources.files("app.bench").joinpath("newsletter.html").read_text(encoding="utf-8")
    return {
        "email": {"subject": "News for {{ first_name }}", "html": page, "text": ""},
        "sms": {"body": "Hello {{ first_name }}, your box comes on Friday. Reply STOP to opt out."},
        "ios": {"title": "Hello {{ first_name }}", "body": "Your box comes on Friday."},
        "android": {"title": "Hello {{ first_name }}", "body": "Your box comes on Friday."},
    }


def _campaign(
    house: Scratch, channel: str, recipients: int, topic_id: int, segment_id: int
) -> dict[str, Any]:
    with transaction() as session:
        version = TemplateVersion(state="draft", content={channel: content()[channel]})
        session.add(version)
        session.flush()
        campaign = Campaign(
            name="Benchmark",
            topic_id=topic_id,
            channels=[channel],
            include_segments=[segment_id],
            version_id=version.id,
        )
        session.add(campaign)
        session.flush()
        key = campaign.id
    before, lines = house.cpu_seconds(), _lines(house)
    began = time.monotonic()
    with transaction() as session:
        lifecycle.approve(session, key, None, clock.now())
    _await_end(key, began)
    seconds = _seconds(key)
    _await_receipts(began)
    after = house.cpu_seconds()
    handed_over = _lines(house) - lines
    if handed_over != recipients:
        raise RuntimeError(f"Only {handed_over:,} of {recipients:,} messages were handed over.")
    return {
        "per_second": recipients / seconds,
        "handed_over": handed_over,
        "cpu_us": {name: round((after[name] - before[name]) / recipients * 1e6) for name in after},
    }


def _await_end(campaign_id: int, began: float) -> None:
    status = ""
    while status != "sent":
        if time.monotonic() - began > LONGEST:
            raise TimeoutError(f"The campaign is still {status}.")
        time.sleep(0.2)
        with transaction() as session:
            status = session.get_one(Campaign, campaign_id).status


def _await_receipts(began: float) -> None:
    """Until what the sandbox tells about the messages is applied: it belongs to their cost."""
    quiet = 0
    while quiet < QUIET_LOOKS and time.monotonic() - began < LONGEST:
        time.sleep(0.2)
        with transaction() as session:
            quiet = 0 if any(receipts.waiting(session).values()) else quiet + 1


def _seconds(campaign_id: int) -> float:
    """From the launch to the moment at which the last batch was recorded."""
    with transaction() as session:
        found = session.scalar(
            text(
                """
                select extract(epoch from max(b.done_at) - min(c.launched_at))
                  from batch b join campaign c on c.id = b.campaign_id where c.id = :id
                """
            ),
            {"id": campaign_id},
        )
    return float(found or 0) or 1e-9


def _lines(house: Scratch) -> int:
    if not house.journal.exists():
        return 0
    with house.journal.open("rb") as file:
        return sum(1 for _ in file)
