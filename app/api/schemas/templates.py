"""How templates are shown, and what rendering one takes and answers."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from app import ids
from app.api.schemas.common import ExternalId, time
from app.api.validation import Body, PageQuery, Query, Reply
from app.content.models import TemplateVersion
from app.content.render import Rendered, RenderedEmail, RenderedPush, RenderedSms
from app.content.templates import Listed


class TemplatePath(Query):
    """A template's key."""

    key: str = Field(max_length=64, description="Such as `order-shipped`.")


class TemplateQuery(PageQuery):
    """What a list of templates is narrowed to."""

    q: str | None = Field(None, max_length=200, description="Words of the name, key, description.")
    topic: str | None = Field(None, max_length=64, description="A topic's key.")
    archived: bool = Field(False, description="Those taken out of use instead.")


class TemplateReply(Reply):
    """A template; `version` is the published one that sends use."""

    id: str
    key: str
    name: str
    description: str
    topic: str
    channels: list[str]
    version: int | None
    has_draft: bool
    created_at: str
    updated_at: str
    archived_at: str | None


class FullTemplateReply(TemplateReply):
    """With the published content and the variables that a call has to give in `data`."""

    content: dict[str, Any] | None
    required_data: list[str]


class TemplatePage(Reply):
    """A page of templates."""

    data: list[TemplateReply]
    next_cursor: str | None


class RenderBody(Body):
    """Values to render with; nothing is sent and nothing is kept."""

    data: dict[str, Any] = Field(default_factory=dict, description="As for a send.")
    external_id: ExternalId | None = Field(
        None, description="Render as this person; needs the scope `contacts`."
    )
    draft: bool = Field(False, description="The draft instead of the published version.")


class RenderedChannel(Reply):
    """What one channel would carry. Only the fields of that channel are there."""

    subject: str | None = None
    html: str | None = None
    text: str | None = None
    body: str | None = None
    segments: int | None = None
    encoding: str | None = None
    title: str | None = None
    subtitle: str | None = None
    image: str | None = None
    url: str | None = None
    data: dict[str, str] | None = None
    error: str | None = Field(None, description="Why this channel cannot be rendered.")
    variable: str | None = Field(None, description="The variable without a value.")


class RenderReply(Reply):
    """One entry per channel that the template has content for."""

    key: str
    version: int | None
    channels: dict[str, RenderedChannel]


def shown(item: Listed, topic: str) -> dict[str, Any]:
    """A template as lists show it."""
    template = item.template
    return {
        "id": ids.encode("tpl", template.id),
        "key": template.key,
        "name": template.name,
        "description": template.description,
        "topic": topic,
        "channels": list(item.channels),
        "version": item.live_number,
        "has_draft": item.has_draft,
        "created_at": time(template.created_at),
        "updated_at": time(template.updated_at),
        "archived_at": time(template.archived_at),
    }


def full(
    item: Listed, topic: str, live: TemplateVersion | None, required: list[str]
) -> dict[str, Any]:
    """One template with its published content."""
    return {
        **shown(item, topic),
        "content": live.content if live else None,
        "required_data": required,
    }


def rendered(result: Rendered) -> Mapping[str, Any]:
    """What rendering gave for one channel."""
    match result:
        case RenderedEmail():
            return {"subject": result.subject, "html": result.html, "text": result.text}
        case RenderedSms():
            return {
                "body": result.body,
                "segments": result.segments,
                "encoding": result.encoding,
            }
        case RenderedPush():
            names = ("title", "subtitle", "body", "image", "url")
            return {**{name: getattr(result, name) for name in names}, "data": dict(result.data)}
        case _:
            return {"error": result.message, "variable": result.variable}
