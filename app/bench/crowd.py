"""Who is written to in a benchmark, what they read, and how much was sent before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.audience.models import Segment, Topic
from app.content.models import TemplateVersion
from app.db import db, transaction
from app.sending import partitions

LOG_DAYS: Final = 28
# A warm-up goes to a tenth of the people, but at least and at most to so many.
FEW: Final = (200, 5_000)
PROVIDERS: Final = {"email": "sendgrid", "sms": "twilio", "ios": "apns", "android": "fcm"}
_LOG_CHUNK: Final = 250_000

_PEOPLE: Final = """
  insert into contact (external_id, email, phone, first_name, last_name, locale, country, timezone,
                       tags, attributes)
  select 'bench-' || n, 'person' || n || '@example.com', '+4477' || lpad(n::text, 8, '0'),
         'Ada' || n, 'Baker', 'en-GB',
         (array['GB', 'DE', 'FR', 'NL', 'AT'])[1 + n % 5], 'Europe/London',
         case when n <= :few then array['few'] else '{}' end,
         jsonb_build_object('plan', case n % 2 when 0 then 'plus' else 'none' end,
                            'store', 's' || n % 200)
    from generate_series(1, :people) n
"""
_DEVICES: Final = """
  insert into device (contact_id, platform, token, app, registered_at)
  select id, :platform, md5(id::text) || md5('x' || id), 'example.bench.app',
         now() - interval '1 year' from contact
"""
# Messages of the last weeks, oldest first, all of them delivered long ago.
_LOG: Final = """
  insert into notification
    (accepted_at, origin, lane, channel, status, contact_id, topic_id, version_id, address,
     attempts, provider, provider_id, handed_at, final_at)
  select at, 'api', 'bulk', :channel, :status, person, :topic, :version,
         'person' || person || '@example.com', 1, :provider, :provider || '-' || n, at,
         case when :status = 'delivered' then at end
    from (
      select n, 1 + n % :people as person,
             cast(:first as timestamptz) + n * cast(:step as interval) as at
        from generate_series(cast(:low as bigint), :high) n
    ) row
"""
_LOG_COUNTERS: Final = """
  insert into ledger_count (campaign_id, channel, hour, status, reason, entered, "left")
  select 0, channel, date_trunc('hour', accepted_at), status, '', count(*), 0
    from notification where channel = :channel
   group by channel, date_trunc('hour', accepted_at), status
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the messages of a filled log are; `version_id` is their content."""

    channel: str = "email"
    status: str = "delivered"
    version_id: int | None = None


@dataclass(frozen=True, slots=True)
class Crowd:
    """Keys of what campaigns and messages of a benchmark refer to."""

    people: int
    few: int  # how many of them a warm-up goes to
    topic_id: int
    topic_key: str
    everyone_id: int
    few_id: int


def make(people: int, channel: str = "email", klass: str = "marketing") -> Crowd:
    """So many people whom this channel reaches, a topic, and segments of everyone and of a few."""
    least, most = FEW
    few = min(people, max(least, min(most, people // 10)))
    with transaction() as session:
        _take_your_time(session)
        session.execute(text(_PEOPLE), {"people": people, "few": few})
        if channel in ("ios", "android"):
            session.execute(text(_DEVICES), {"platform": channel})
        topic = Topic(key="bench", name="Bench", klass=klass)
        everyone = Segment(name="Everyone", rule={"all": []})
        rule = {"all": [{"field": "tags", "op": "any_of", "value": ["few"]}]}
        some = Segment(name="A few", rule=rule)
        session.add_all([topic, everyone, some])
        session.flush()
        session.execute(text("analyze contact, device"))
        return Crowd(people, few, topic.id, topic.key, everyone.id, some.id)


def content() -> dict[str, Any]:
    """A realistic newsletter, and short texts for the other channels."""
    page = resources.files("app.bench").joinpath("newsletter.html").read_text(encoding="utf-8")
    return {
        "email": {"subject": "News for {{ first_name }}", "html": page, "text": ""},
        "sms": {"body": "Hello {{ first_name }}, your box comes on Friday. Reply STOP to opt out."},
        "ios": {"title": "Hello {{ first_name }}", "body": "Your box comes on Friday."},
        "android": {"title": "Hello {{ first_name }}", "body": "Your box comes on Friday."},
    }


def fill_log(crowd: Crowd, rows: int, kind: Kind = Kind()) -> None:
    """Put so many messages into the log, as if sent in the last weeks, with their counters.

    Call it once per channel.
    """
    if not rows:
        return
    now = clock.now()
    first = now - timedelta(days=LOG_DAYS)
    with transaction() as session:
        partitions.ensure(session, first, now)
        given = {
            "channel": kind.channel,
            "status": kind.status,
            "provider": PROVIDERS[kind.channel],
            "topic": crowd.topic_id,
            "version": kind.version_id or _version(session),
            "people": crowd.people,
            "first": first,
            "step": timedelta(days=LOG_DAYS) * 0.99 / rows,
        }
    for low in range(1, rows + 1, _LOG_CHUNK):
        high = min(low + _LOG_CHUNK - 1, rows)
        with transaction() as session:
            _take_your_time(session)
            session.execute(text(_LOG), given | {"low": low, "high": high})
    with transaction() as session:
        _take_your_time(session)
        session.execute(text(_LOG_COUNTERS), {"channel": kind.channel})
    _let_settle()


def log_keys(channel: str) -> Sequence[int]:
    """Keys of the messages that `fill_log` made, oldest first."""
    with transaction() as session:
        return session.scalars(
            text("select id from notification where channel = :channel order by id"),
            {"channel": channel},
        ).all()


def _version(session: Session) -> int:
    version = TemplateVersion(state="draft", content={"email": content()["email"]})
    session.add(version)
    session.flush()
    return version.id


def _let_settle() -> None:
    """A log of weeks has been vacuumed and written out long ago; this one would be meanwhile."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
        for statement in ("set statement_timeout = 0", "vacuum analyze notification", "checkpoint"):
            alone.execute(text(statement))
        alone.execute(text("reset statement_timeout"))


def _take_your_time(session: Session) -> None:
    """Preparations of a million rows may last longer than a request may."""
    session.execute(text("set local statement_timeout = 0"))
