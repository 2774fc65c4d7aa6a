"""Would this person get this campaign? The audience's rules, then the policy's own gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audience import rules
from app.audience.models import Contact, Segment, Topic
from app.campaigns import audience
from app.campaigns.candidates import ADDRESSES
from app.campaigns.models import Campaign
from app.policy.decide import Hold, Skip, decide, trace
from app.policy.facts import Facts, Rules
from app.sending import caps
from app.sending import rules as limits

# The reason to tell when every channel says no: the one that is nearest to success.
_NEAREST: Final = (
    "quiet_hours",
    "expired",
    "over_cap",
    "duplicate_address",
    "suppressed",
    "opted_out",
    "no_address",
)

_WAYS: Final = text(
    f"""
    select ch.channel, a.address, pr.opted_in, pr.at as chosen_at, su.reason as suppressed_for,
           su.scope as suppression_scope, cap.sent as sent_in_window
      from contact c
      {ADDRESSES}
      cross join (select count(*) as sent from ({caps.HAD.format(contact=":contact")}) had) cap
     where c.id = :contact
     order by ch.position, d.id
    """
)


@dataclass(frozen=True, slots=True)
class Answer:
    """`gets` with the channels, or the reason (of `status.REASONS`, or an audience word).

    `sentence` says the first thing that stops them, without the name; `at`: when they chose so,
    or when a held message would go.
    """

    gets: bool
    channels: Sequence[str]
    reason: str
    sentence: str
    at: datetime | None = None


def answer(session: Session, campaign: Campaign, contact: Contact, now: datetime) -> Answer:
    """Ask as if it were sent at the campaign's time, or now."""
    outside = _outside(session, campaign, contact, now)
    if outside is not None:
        return outside
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    if topic is None:
        return Answer(False, (), "no_topic", "The campaign has no topic yet.")
    if not campaign.channels:
        return Answer(False, (), "no_channel", "The campaign has no channel yet.")
    moment = max(campaign.send_at or now, now)
    house = limits.current(session)
    ways = [
        _way(row, campaign, contact, topic, house, moment)
        for row in _rows(session, campaign, contact, topic, house, now)
    ]
    ways = [_unless_shared(session, campaign, contact, way) for way in ways]
    good = [way for way in ways if way.gets]
    if not good:
        return min(ways, key=_distance)
    channels = list(dict.fromkeys(way.channels[0] for way in good))
    shown = channels[:1] if campaign.strategy == "first" else channels
    held = next((way.at for way in good if way.at and way.channels[0] in shown), None)
    return Answer(True, shown, "quiet_hours" if held else "", "", held)


def _outside(
    session: Session, campaign: Campaign, contact: Contact, now: datetime
) -> Answer | None:
    """Why the person is not in the audience; None when they are."""
    if contact.erased_at is not None:
        return Answer(False, (), "erased", "The person was erased.")
    wanted = [*campaign.include_segments, *campaign.exclude_segments]
    found = {s.id: s for s in session.scalars(select(Segment).where(Segment.id.in_(wanted)))}
    inside = {
        key: rules.contains(session, segment.rule, contact.id, now).inside
        for key, segment in found.items()
    }
    included = [key for key in campaign.include_segments if key in found]
    if not included:
        return Answer(False, (), "no_audience", "The campaign has no segment yet.")
    missing = [found[key].name for key in included if not inside[key]]
    if campaign.include_match == "all" and missing:
        return Answer(False, (), "not_in_segment", f"Not in “{missing[0]}”.")
    if len(missing) == len(included):
        which = f"“{missing[0]}”" if len(missing) == 1 else "any of the segments"
        return Answer(False, (), "not_in_segment", f"Not in {which}.")
    left_out = [found[k].name for k in campaign.exclude_segments if k in found and inside[k]]
    if left_out:
        return Answer(False, (), "left_out", f"In “{left_out[0]}”, which is left out.")
    return None


def _rows(
    session: Session,
    campaign: Campaign,
    contact: Contact,
    topic: Topic,
    house: Rules,
    now: datetime,
) -> Sequence[Mapping[str, Any]]:
    values = {
        "contact": contact.id,
        "topic": topic.id,
        "channels": campaign.channels,
    } | caps.since(house.cap, now)
    return session.execute(_WAYS, values).mappings().all()  # type: ignore[return-value]


def _way(
    row: Mapping[str, Any],
    campaign: Campaign,
    contact: Contact,
    topic: Topic,
    house: Rules,
    moment: datetime,
) -> Answer:
    """What the policy says about one address of the person."""
    hours = campaign.expires_hours
    facts = Facts(
        klass=topic.klass,  # type: ignore[arg-type]  # checked by the database
        address=row["address"],
        opted_in_by_default=topic.opted_in_by_default,
        opted_in=row["opted_in"],
        suppressed_for=row["suppressed_for"],
        suppression_scope=row["suppression_scope"],
        sent_in_window=row["sent_in_window"],
        zone=contact.timezone,
        expires_at=moment + timedelta(hours=hours) if hours else None,
        ignores_quiet_hours=not campaign.quiet_hours,
    )
    verdict = decide(facts, house, moment)
    if not isinstance(verdict, Skip):
        until = verdict.until if isinstance(verdict, Hold) else None
        return Answer(True, (row["channel"],), "", "", until)
    stopped = next(gate.sentence for gate in trace(facts, house, moment) if not gate.passed)
    at = row["chosen_at"] if verdict.reason == "opted_out" else None
    return Answer(False, (row["channel"],), verdict.reason, stopped, at)


def _unless_shared(session: Session, campaign: Campaign, contact: Contact, way: Answer) -> Answer:
    """Of people with the same address the first gets it, as in the fan-out."""
    column = {"email": Contact.email, "sms": Contact.phone}.get(way.channels[0])
    if not way.gets or column is None:
        return way
    same = column == (contact.email if way.channels[0] == "email" else contact.phone)
    people = audience.matching(session, campaign)
    if session.scalar(people.where(same, Contact.id < contact.id).limit(1)) is None:
        return way
    words = "Somebody else of this audience has the same address. It gets one message, as theirs."
    return Answer(False, way.channels, "duplicate_address", words)


def _distance(way: Answer) -> int:
    return _NEAREST.index(way.reason) if way.reason in _NEAREST else len(_NEAREST)
