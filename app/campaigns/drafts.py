"""Drafts: create, rename, and save the composer's steps, each change on top of a known revision."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import CHANNELS, Segment, Topic
from app.campaigns import lifecycle
from app.campaigns.models import IMPORTANCES, Campaign
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.sending import pace

NAME_MAX: Final = 120
MOST_SEGMENTS: Final = 20
LONGEST_EXPIRY_HOURS: Final = 720
_SCHEDULE: Final = ("wall_time", "zone")


class EditedElsewhere(Conflict):
    """Somebody saved after the revision that this change began from: who (member key) and when."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__("Not saved. Somebody else changed this campaign in the meantime.")
        self.by = campaign.updated_by
        self.at = campaign.updated_at


def create(session: Session, name: str, member_id: int | None, now: datetime) -> Campaign:
    """A new, empty draft that goes out by e-mail until somebody says otherwise. Raises Invalid."""
    problems = _name_problems(name)
    if problems:
        raise Invalid(problems)
    campaign = Campaign(
        name=name.strip(),
        channels=["email"],
        strategy="first",
        include_match="any",
        created_by=member_id,
        updated_by=member_id,
        created_at=now,
        updated_at=now,
    )
    session.add(campaign)
    session.flush()
    return campaign


def locked(session: Session, campaign_id: int, seen: int | None) -> Campaign:
    """The draft, held for this transaction, if it is still at the revision `seen` (None: any).

    Raises NotFound, EditedElsewhere, and Conflict for what is no draft any more.
    """
    campaign = session.scalars(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if campaign is None:
        raise NotFound("There is no such campaign.")
    if campaign.status != "draft":
        raise Conflict("This campaign is no draft any more, so it cannot be changed.")
    if seen is not None and seen != campaign.revision:
        raise EditedElsewhere(campaign)
    return campaign


def touched(campaign: Campaign, member_id: int | None, now: datetime) -> None:
    """Note a change: the next revision, by whom and when."""
    campaign.revision += 1
    campaign.updated_by = member_id
    campaign.updated_at = now


def save(
    session: Session,
    campaign_id: int,
    seen: int | None,
    fields: Mapping[str, Any],
    member_id: int | None,
    now: datetime,
) -> Campaign:
    """Change a draft; absent fields stay. Raises Invalid (all wrong fields), EditedElsewhere.

    Fields: `name`, `topic_id`, `channels`, `strategy`, `include_match`, `include_segments` and
    `exclude_segments` (keys), `wall_time` with `zone` (None: at once), `quiet_hours`,
    `expires_hours` (None: never), `rate` in messages per second (None: as fast as it goes),
    `importance`. Saving what is there already changes nothing.
    """
    campaign = locked(session, campaign_id, seen)
    problems = _problems(session, fields)
    if problems:
        raise Invalid(problems)
    before = _state(campaign)
    if "wall_time" in fields:  # first: a refusal leaves everything as it was
        lifecycle.set_schedule(campaign, fields["wall_time"], fields.get("zone"), now)
    for name, value in fields.items():
        if name not in _SCHEDULE:
            setattr(campaign, name, value.strip() if name == "name" else value)
    if _state(campaign) != before:
        touched(campaign, member_id, now)
    session.flush()
    return campaign


def archive(session: Session, campaign_ids: Sequence[int], now: datetime) -> list[Campaign]:
    """Put away what is not on its way; answers the campaigns that were put away now."""
    return _shelve(session, campaign_ids, now)


def restore(session: Session, campaign_ids: Sequence[int]) -> list[Campaign]:
    """Bring archived campaigns back to the list."""
    return _shelve(session, campaign_ids, None)


def _shelve(session: Session, campaign_ids: Sequence[int], at: datetime | None) -> list[Campaign]:
    settled = ("draft", "sent", "cancelled", "failed")
    found = session.scalars(
        select(Campaign)
        .where(Campaign.id.in_(campaign_ids), Campaign.status.in_(settled))
        .where(Campaign.archived_at.is_(None) if at else Campaign.archived_at.is_not(None))
        .order_by(Campaign.id)
        .with_for_update()
    ).all()
    for campaign in found:
        campaign.archived_at = at
    session.flush()
    return list(found)


def _state(campaign: Campaign) -> tuple[object, ...]:
    return (
        campaign.name,
        campaign.topic_id,
        tuple(campaign.channels),
        campaign.strategy,
        campaign.include_match,
        tuple(campaign.include_segments),
        tuple(campaign.exclude_segments),
        campaign.wall_time,
        campaign.zone,
        campaign.quiet_hours,
        campaign.expires_hours,
        campaign.rate,
        campaign.importance,
    )


def _problems(session: Session, fields: Mapping[str, Any]) -> list[FieldError]:
    problems = _name_problems(fields["name"]) if "name" in fields else []
    for name in ("include_segments", "exclude_segments"):
        if name in fields:
            problems += _segment_problems(session, name, fields[name])
    topic = fields.get("topic_id")
    if topic is not None:
        found = session.get(Topic, topic)
        if found is None or found.archived_at is not None:
            message = "There is no such topic; choose one of the list."
            problems.append(FieldError("/topic", "unknown_topic", message))
    channels = fields.get("channels", ())
    if set(channels) - set(CHANNELS) or len(set(channels)) != len(channels):
        message = "Channels are email, sms, ios and android, each once."
        problems.append(FieldError("/channels", "invalid_choice", message))
    if fields.get("strategy", "all") not in ("all", "first"):
        problems.append(FieldError("/strategy", "invalid_choice", "Choose first or all."))
    if fields.get("include_match", "any") not in ("all", "any"):
        problems.append(FieldError("/include_match", "invalid_choice", "Choose any or all."))
    hours = fields.get("expires_hours")
    if hours is not None and not 1 <= hours <= LONGEST_EXPIRY_HOURS:
        message = f"Enter 1 to {LONGEST_EXPIRY_HOURS} hours, or leave it empty."
        problems.append(FieldError("/expires_hours", "out_of_range", message))
    if fields.get("importance", "normal") not in IMPORTANCES:
        problems.append(FieldError("/importance", "invalid_choice", "Choose normal or high."))
    return problems + pace.problems(fields.get("rate"), "/rate")


def _name_problems(name: object) -> list[FieldError]:
    fine = isinstance(name, str) and name.isprintable() and 1 <= len(name.strip()) <= NAME_MAX
    if fine:
        return []
    message = f"Give the campaign a name of at most {NAME_MAX} characters."
    return [FieldError("/name", "invalid_name", message)]


def _segment_problems(session: Session, name: str, keys: Sequence[int]) -> list[FieldError]:
    if len(keys) > MOST_SEGMENTS or len(set(keys)) != len(keys):
        message = f"Name at most {MOST_SEGMENTS} segments, each once."
        return [FieldError(f"/{name}", "too_many", message)]
    known = set(session.scalars(select(Segment.id).where(Segment.id.in_(keys))))
    if set(keys) - known:
        message = "There is no such segment; choose one of the list."
        return [FieldError(f"/{name}", "unknown_segment", message)]
    return []
