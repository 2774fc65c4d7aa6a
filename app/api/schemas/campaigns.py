"""How campaigns are written, and what they are drafted from."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from app import ids
from app.api.schemas.common import Channel, time, wrong
from app.api.schemas.sending import Content
from app.api.validation import Body, PageQuery, Query, Reply
from app.campaigns.models import Campaign
from app.errors import FieldError
from app.sending import pace

Status = Literal[
    "draft", "scheduled", "launching", "sending", "paused", "sent", "cancelled", "failed"
]


def _segment_key(value: str) -> str:
    if ids.decode("seg", value) is None:
        raise wrong("invalid_id", "This is not the id of a segment.")
    return value


SegmentId = Annotated[str, Field(max_length=40, examples=["seg_…"]), AfterValidator(_segment_key)]


class CampaignPath(Query):
    """A campaign's id."""

    id: str = Field(max_length=40, description="`cmp_…`")


class CampaignQuery(PageQuery):
    """What a list of campaigns is narrowed to."""

    status: Status | None = None


class Audience(Body):
    """Segments in, segments out."""

    match: Literal["any", "all"] = Field("any", description="In any, or in all, of `segments`.")
    segments: list[SegmentId] = Field(min_length=1, max_length=20)
    exclude: list[SegmentId] = Field([], max_length=20)


class Schedule(Body):
    """A wall time in a zone; which moment that is, is decided late."""

    wall_time: str = Field(
        max_length=32,
        description="Date and hour there, without an offset; at most one year ahead.",
        examples=["2026-11-24T18:00"],
    )
    zone: str = Field(max_length=64, description="IANA name.", examples=["Europe/London"])


class CampaignBody(Body):
    """A new draft. What is left out can be added in the console; launching says what is missing."""

    name: str = Field(min_length=1, max_length=120)
    template: str | None = Field(
        None, max_length=200, description="Key of a published template to take the content from."
    )
    content: Content | None = Field(None, description="The campaign's own content.")
    topic: str | None = Field(None, max_length=200, description="Default: that of the template.")
    audience: Audience | None = None
    channels: list[Channel] | None = Field(
        None, min_length=1, max_length=4, description="In order. Default: all that have content."
    )
    strategy: Literal["first", "all"] = Field(
        "first", description="The first channel that reaches a person, or every channel."
    )
    schedule: Schedule | None = Field(None, description="Default: as soon as it is launched.")
    quiet_hours: bool = Field(True, description="Wait until it is day where the person lives.")
    expires_hours: int | None = Field(None, ge=1, le=720)
    rate: int | None = Field(
        None,
        ge=1,
        le=pace.FASTEST,
        description="At most so many messages per second. Default: as fast as it goes.",
    )
    importance: Literal["normal", "high"] = Field(
        "normal",
        description="What wins when people have had as many messages as the frequency cap allows, "
        "where the workspace lets the more important one win.",
    )

    @classmethod
    def across(cls, document: Any) -> list[FieldError]:
        """Content comes from one place."""
        if isinstance(document, dict) and document.get("template") and document.get("content"):
            message = "Give either a template or content, not both."
            return [FieldError("/content", "excluded", message)]
        return []


class ScheduleReply(Reply):
    """When it goes out; `send_at` is the moment."""

    wall_time: str
    zone: str
    send_at: str | None
    late_since: str | None = Field(
        description="Its time was missed by more than the workspace allows: it waits for a person."
    )


class CampaignReply(Reply):
    """A campaign."""

    id: str
    name: str
    status: Status
    channels: list[Channel]
    strategy: Literal["first", "all"]
    topic: str | None
    audience: dict[str, Any]
    schedule: ScheduleReply | None
    quiet_hours: bool
    expires_hours: int | None
    rate: int | None = Field(description="Messages per second at most; null: as fast as it goes.")
    importance: Literal["normal", "high"]
    people: int = Field(description="How many matched; of a draft, at the last count.")
    failure: str | None
    created_at: str
    updated_at: str
    launched_at: str | None
    finished_at: str | None


class CampaignPage(Reply):
    """A page of campaigns, newest first."""

    data: list[CampaignReply]
    next_cursor: str | None


class Figures(Reply):
    """Messages by what became of them; they add up to the audience."""

    audience: int
    sent: int
    accepted: int
    delivered: int
    bounced: int
    failed: int
    not_sent: int
    open: int = Field(description="Still on their way.")


class ReportReply(Figures):
    """The report of a campaign as it stands."""

    engagement: dict[str, int]
    channels: dict[str, dict[str, Any]]
    reasons: list[dict[str, Any]] = Field(description="Why messages failed or were not sent.")
    links: list[dict[str, Any]]


def shown(campaign: Campaign, topic: str | None) -> dict[str, Any]:
    """A campaign as the API shows it; `topic` is the key of its topic."""
    return {
        "id": ids.encode("cmp", campaign.id),
        "name": campaign.name,
        "status": campaign.status,
        "channels": campaign.channels,
        "strategy": campaign.strategy,
        "topic": topic,
        "audience": {
            "match": campaign.include_match,
            "segments": [ids.encode("seg", key) for key in campaign.include_segments],
            "exclude": [ids.encode("seg", key) for key in campaign.exclude_segments],
        },
        "schedule": _schedule(campaign),
        "quiet_hours": campaign.quiet_hours,
        "expires_hours": campaign.expires_hours,
        "rate": campaign.rate,
        "importance": campaign.importance,
        "people": campaign.people,
        "failure": campaign.failure,
        "created_at": time(campaign.created_at),
        "updated_at": time(campaign.updated_at),
        "launched_at": time(campaign.launched_at),
        "finished_at": time(campaign.finished_at),
    }


def _schedule(campaign: Campaign) -> dict[str, Any] | None:
    if not campaign.wall_time:
        return None
    return {
        "wall_time": campaign.wall_time,
        "zone": campaign.zone,
        "send_at": time(campaign.send_at),
        "late_since": time(campaign.late_since),
    }
