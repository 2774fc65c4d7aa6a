"""Past campaigns: fanned out, settled and read by the functions that real ones go through.

Only two things are made up: what the provider answered, and when people opened and clicked.
Everything that is counted is counted by the house itself, so the figures agree with each other.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.campaigns import clockwork, fanout, lifecycle
from app.campaigns.models import Campaign
from app.channels.base import Outcome, Result
from app.content.models import Link, TemplateVersion
from app.db import transaction
from app.demo.catalogue import Past
from app.sending import attempts, states
from app.sending.attempts import Answer
from app.sending.batches import Claim
from app.sending.models import Batch, Notification
from app.sending.states import Change
from app.tracking import delivery, engagement, events
from app.tracking.engagement import Hit
from app.tracking.news import News

PROVIDERS: Final = {"email": "sendgrid", "sms": "twilio", "ios": "apns", "android": "fcm"}
# Phones tell nobody that they showed a push; only e-mail and SMS are confirmed as delivered.
CONFIRMED: Final = ("email", "sms")


@dataclass(frozen=True, slots=True)
class House:
    """Keys of what the catalogue names, and who is said to have done it."""

    topics: dict[str, int]
    segments: dict[str, int]
    versions: dict[str, int]
    member_id: int


def run(house: House, plan: Past, now: datetime) -> int:
    """Make one past campaign, from launch to the last click; answers its key."""
    chance = random.Random(plan.name)
    launched = now - timedelta(days=plan.days_ago)
    launched = launched.replace(minute=chance.choice((0, 0, 15, 30)), second=0, microsecond=0)
    campaign_id = _launch(house, plan, launched)
    for batch_id in _batches(campaign_id):
        with transaction() as session:
            _settle(session, batch_id, plan, chance, launched, now)
    with transaction() as session:
        clockwork.close_finished(session, launched + timedelta(minutes=9))
    return campaign_id


def _launch(house: House, plan: Past, launched: datetime) -> int:
    with transaction() as session:
        source = session.get_one(TemplateVersion, house.versions[plan.template])
        version = TemplateVersion(
            based_on_id=source.template_id,
            state="draft",
            content={channel: source.content[channel] for channel in plan.channels},
            sample_data=source.sample_data,
            created_by=house.member_id,
        )
        session.add(version)
        session.flush()
        campaign = Campaign(
            name=plan.name,
            topic_id=house.topics[plan.topic],
            channels=list(plan.channels),
            include_segments=[house.segments[plan.segment]],
            version_id=version.id,
            created_by=house.member_id,
            created_at=launched - timedelta(days=1),
            updated_at=launched,
        )
        session.add(campaign)
        session.flush()
        lifecycle.approve(session, campaign.id, house.member_id, launched)
        campaign_id = campaign.id
    more = True
    while more:
        with transaction() as session:
            more = fanout.next_chunk(session, campaign_id, launched)
    return campaign_id


def _batches(campaign_id: int) -> Sequence[int]:
    with transaction() as session:
        return session.scalars(select(Batch.id).where(Batch.campaign_id == campaign_id)).all()


def _settle(
    session: Session,
    batch_id: int,
    plan: Past,
    chance: random.Random,
    launched: datetime,
    now: datetime,
) -> None:
    batch = session.get_one(Batch, batch_id)
    wanted = select(Notification).where(
        Notification.id.in_(batch.ids), Notification.accepted_at == launched
    )
    rows = session.scalars(wanted.order_by(Notification.id)).all()
    blocked = _blocked(session, batch)
    handed = launched + timedelta(seconds=chance.uniform(4, 240))
    sent = [row for row in rows if row.id not in blocked]
    answers = [_answer(row, chance, handed) for row in sent]
    claim = Claim(
        id=batch.id,
        fence=1,
        channel=batch.channel,
        lane=batch.lane,
        test=False,
        campaign_id=batch.campaign_id,
        ids=batch.ids,
        accepted_from=launched,
        accepted_to=now,
        created_at=launched,
    )
    attempts.write(session, claim, answers)
    changes = [Change(key, "skipped", reason, handed) for key, reason in blocked.items()]
    changes += [_change(answer) for answer in answers]
    states.move(session, changes, handed)
    batch.state, batch.fence, batch.done_at = "done", 1, handed
    session.flush()
    session.expire_all()
    _news(session, [a for a in answers if a.result.outcome is Outcome.ACCEPTED], plan, chance, now)


def _blocked(session: Session, batch: Batch) -> dict[int, str]:
    """Messages of the batch that consent or the suppression list forbids, as policy would say."""
    found = session.execute(
        text(
            """
            select n.id, case when not coalesce(p.opted_in, t.opted_in_by_default)
                              then 'opted_out' else 'suppressed' end
              from notification n join topic t on t.id = n.topic_id
              left join preference p on p.contact_id = n.contact_id and p.topic_id = n.topic_id
                   and p.channel = n.channel
              left join suppression s on s.address = lower(n.address)
             where n.id = any(:ids) and n.status = 'queued'
               and (not coalesce(p.opted_in, t.opted_in_by_default) or s.id is not null)
            """
        ),
        {"ids": batch.ids},
    )
    return {row[0]: row[1] for row in found}


def _answer(row: Notification, chance: random.Random, handed: datetime) -> Answer:
    provider = PROVIDERS[row.channel]
    if chance.random() < 0.004:
        result = Result(
            Outcome.REJECTED, code="400", detail="The provider refused the message.", duration_ms=80
        )
    else:
        result = Result(
            Outcome.ACCEPTED,
            provider_id=f"demo{row.id:08x}",
            code={"email": "202", "sms": "201"}.get(row.channel, "200"),
            duration_ms=chance.randint(20, 190),
        )
    return Answer(row.id, 1, provider, result, handed)


def _change(answer: Answer) -> Change:
    accepted = answer.result.outcome is Outcome.ACCEPTED
    return Change(
        answer.notification_id,
        "accepted" if accepted else "failed",
        None if accepted else "rejected",
        answer.at,
        attempts=1,
        provider=answer.provider,
        provider_id=answer.result.provider_id,
    )


def _news(
    session: Session, answers: Sequence[Answer], plan: Past, chance: random.Random, now: datetime
) -> None:
    messages = events.messages(session, [answer.notification_id for answer in answers], now)
    known = [(answer, messages[answer.notification_id]) for answer in answers]
    confirmed = [
        (_delivered(answer, chance), message)
        for answer, message in known
        if message.channel in CONFIRMED
    ]
    arrived = {message.id for news, message in confirmed if news.kind == "delivered"}
    arrived |= {message.id for _, message in known if message.channel not in CONFIRMED}
    if confirmed:
        delivery.apply(session, confirmed, confirmed[0][0].at)
    links = _links(session, messages[answers[0].notification_id].version_id) if answers else []
    hits = [
        hit
        for answer, message in known
        if message.id in arrived
        for hit in _hits(answer, message.channel, links, plan, chance)
        if hit.at < now
    ]
    engagement.record(session, hits, now)


def _delivered(answer: Answer, chance: random.Random) -> News:
    at = answer.at + timedelta(seconds=chance.expovariate(1 / 9))
    if chance.random() < 0.008:
        return News(
            notification_id=answer.notification_id,
            kind="bounced",
            at=at,
            source=answer.provider,
            dedup=f"demo-b-{answer.notification_id}",
            status="bounced",
            reason="bounced",
            detail={"reason": "550 5.1.1 The address does not exist.", "status": "5.1.1"},
        )
    return News(
        notification_id=answer.notification_id,
        kind="delivered",
        at=at,
        source=answer.provider,
        dedup=f"demo-d-{answer.notification_id}",
        status="delivered",
    )


def _links(session: Session, version_id: int) -> Sequence[int]:
    return session.scalars(
        select(Link.id).where(Link.version_id == version_id).order_by(Link.number)
    ).all()


def _hits(
    answer: Answer, channel: str, links: Sequence[int], plan: Past, chance: random.Random
) -> Iterator[Hit]:
    """People read soon, or in the evening; few of them click, most on the first link."""
    key = answer.notification_id
    read = answer.at + timedelta(minutes=5 + chance.expovariate(1 / 420))
    if channel == "email" and chance.random() < plan.opened:
        yield Hit(key, "opened", read, "pixel", dedup=f"demo-o-{key}")
        if chance.random() < 0.25:
            later = read + timedelta(hours=chance.uniform(1, 30))
            yield Hit(key, "opened", later, "pixel", dedup=f"demo-o2-{key}")
        if links and chance.random() < plan.clicked / max(plan.opened, 0.01):
            link = links[min(int(chance.expovariate(0.9)), len(links) - 1)]
            clicked = read + timedelta(seconds=chance.uniform(5, 90))
            yield Hit(key, "clicked", clicked, "link", link_id=link, dedup=f"demo-c-{key}")
    elif channel in ("ios", "android") and chance.random() < plan.clicked:
        yield Hit(key, "clicked", read, "device", dedup=f"demo-c-{key}")
