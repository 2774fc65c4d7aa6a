"""`/campaigns`: draft, launch, pause, resume, cancel, report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app import clock, ids, paging
from app.accounts import audit
from app.analytics import reports
from app.api import keys
from app.api.operations import Given, Operations, answers, needs
from app.api.schemas import campaigns as show
from app.api.schemas.campaigns import Audience, CampaignBody, CampaignPath, CampaignQuery
from app.api.schemas.common import CHANNELS
from app.audience import topics
from app.campaigns import content, drafts, lifecycle, listing
from app.campaigns.models import Campaign
from app.content import drafts as versions
from app.content import templates
from app.content.models import Template
from app.db import transaction
from app.errors import FieldError, Forbidden, Invalid, NotFound

api: Final = Operations("campaigns", "Campaigns", "Draft, launch and follow campaigns.")

# Where the composer's fields stand in the API's own shape.
_DRAFT: Final = {
    "/include_segments": "/audience/segments",
    "/exclude_segments": "/audience/exclude",
    "/include_match": "/audience/match",
    "/wall_time": "/schedule/wall_time",
    "/zone": "/schedule/zone",
}
Act = Callable[[Session, int, datetime], Campaign]


@api.get("/campaigns", responses=answers({200: show.CampaignPage}))
@needs("read", "campaigns")
def list_campaigns(query: CampaignQuery) -> Given:
    """Campaigns, newest first"""
    before = paging.decode_cursor(query.cursor)
    with transaction() as session:
        rows = listing.after(session, query.status, before, query.limit + 1)
        page = paging.cut(rows, query.limit, lambda campaign: campaign.id)
        return {"data": _shown(session, page.items), "next_cursor": page.next_cursor}, 200


@api.post("/campaigns", responses=answers({201: show.CampaignReply}))
@needs("campaigns")
def create_campaign(body: CampaignBody) -> Given:
    """Draft a campaign

    Nothing is sent before it is launched.
    """
    now = clock.now()
    with transaction() as session:
        template = _template(session, body.template)
        channels = body.channels or _written(session, template, body)
        fields = _fields(session, body, template, channels)
        campaign = drafts.create(session, body.name, None, now)
        with _pointers(_DRAFT):
            drafts.save(session, campaign.id, None, fields, None, now)
        if template:
            content.begin_with(session, campaign.id, None, template, channels, None, now)
        elif body.content:
            own = body.content.model_dump(exclude_none=True)
            with _pointers({"": "/content"}):
                content.save(session, campaign.id, None, own, None, now)
        audit.record(session, keys.actor(), "campaign.create", campaign.name, None, now)
        return _shown(session, [campaign])[0], 201


@api.get("/campaigns/<string:id>", responses=answers({200: show.CampaignReply}))
@needs("read", "campaigns")
def get_campaign(path: CampaignPath) -> Given:
    """One campaign"""
    with transaction() as session:
        return _shown(session, [lifecycle.by_public_id(session, path.id)])[0], 200


@api.post("/campaigns/<string:id>/launch", responses=answers({200: show.CampaignReply}))
@needs("campaigns")
def launch_campaign(path: CampaignPath) -> Given:
    """Launch a draft

    Now, or at its time. 422 names everything that is missing, as the composer's review does.
    A test key cannot do it: a campaign writes to real people.
    """
    if keys.current().test:
        raise Forbidden("A test key cannot launch a campaign: it would write to real people.")

    def approve(session: Session, key: int, now: datetime) -> Campaign:
        return lifecycle.approve(session, key, None, now)

    with _pointers(_DRAFT):
        return _act(path.id, "launch", approve)


@api.post("/campaigns/<string:id>/pause", responses=answers({200: show.CampaignReply}))
@needs("campaigns")
def pause_campaign(path: CampaignPath) -> Given:
    """Pause a campaign

    Nothing more is handed over within five seconds; what is with a provider cannot be called back.
    """
    return _act(path.id, "pause", lifecycle.pause)


@api.post("/campaigns/<string:id>/resume", responses=answers({200: show.CampaignReply}))
@needs("campaigns")
def resume_campaign(path: CampaignPath) -> Given:
    """Resume a paused campaign"""
    return _act(path.id, "resume", lifecycle.resume)


@api.post("/campaigns/<string:id>/cancel", responses=answers({200: show.CampaignReply}))
@needs("campaigns")
def cancel_campaign(path: CampaignPath) -> Given:
    """Cancel what was not handed over yet

    This is final.
    """
    return _act(path.id, "cancel", lifecycle.cancel)


@api.get("/campaigns/<string:id>/report", responses=answers({200: show.ReportReply}))
@needs("read", "campaigns")
def report_campaign(path: CampaignPath) -> Given:
    """The report of a campaign as it stands"""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, path.id)
        found = reports.report(session, campaign.id)
        return reports.as_data(found, reports.links(session, campaign.id)), 200


def _act(public_id: str, verb: str, act: Act) -> Given:
    now = clock.now()
    with transaction() as session:
        campaign = act(session, lifecycle.by_public_id(session, public_id).id, now)
        audit.record(session, keys.actor(), f"campaign.{verb}", campaign.name, None, now)
        return _shown(session, [campaign])[0], 200


def _fields(
    session: Session, body: CampaignBody, template: Template | None, channels: Sequence[str]
) -> dict[str, Any]:
    """The body in the words of `drafts.save`."""
    audience = body.audience or Audience.model_construct(match="any", segments=[], exclude=[])
    return {
        "topic_id": _topic(session, body.topic) or (template.topic_id if template else None),
        "channels": list(channels),
        "strategy": body.strategy,
        "include_match": audience.match,
        "include_segments": [ids.decode("seg", item) for item in audience.segments],
        "exclude_segments": [ids.decode("seg", item) for item in audience.exclude],
        "quiet_hours": body.quiet_hours,
        "expires_hours": body.expires_hours,
        "rate": body.rate,
        "importance": body.importance,
        "wall_time": body.schedule.wall_time if body.schedule else None,
        "zone": body.schedule.zone if body.schedule else None,
    }


def _template(session: Session, key: str | None) -> Template | None:
    if key is None:
        return None
    try:
        return templates.by_key(session, key)
    except NotFound as error:
        raise Invalid.one("/template", "unknown_template", error.message) from error


def _topic(session: Session, key: str | None) -> int | None:
    if key is None:
        return None
    try:
        return topics.by_key(session, key).id
    except NotFound as error:
        raise Invalid.one("/topic", "unknown_topic", error.message) from error


def _written(session: Session, template: Template | None, body: CampaignBody) -> list[str]:
    """The channels that there is content for; e-mail when there is none yet."""
    if template:
        version = versions.live(session, template)
        content_there = version.content if version else {}
    else:
        content_there = body.content.model_dump(exclude_none=True) if body.content else {}
    return [channel for channel in CHANNELS if channel in content_there] or ["email"]


@contextmanager
def _pointers(places: Mapping[str, str]) -> Iterator[None]:
    """Name wrong fields by where they stand in the API: the first prefix that fits is replaced."""
    try:
        yield
    except Invalid as error:
        raise Invalid([_moved(field, places) for field in error.fields]) from error


def _moved(field: FieldError, places: Mapping[str, str]) -> FieldError:
    for before, after in places.items():
        if field.pointer.startswith(before):
            pointer = after + field.pointer.removeprefix(before)
            return FieldError(pointer, field.code, field.message)
    return field


def _shown(session: Session, campaigns: Sequence[Campaign]) -> list[dict[str, Any]]:
    names = {fact.id: key for key, fact in topics.facts(session).items()}
    return [show.shown(campaign, names.get(campaign.topic_id or 0)) for campaign in campaigns]
