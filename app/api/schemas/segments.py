"""How segments and rules are written."""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from app import ids
from app.api.schemas.common import time
from app.api.validation import Body, PageQuery, Query, Reply
from app.audience.models import Segment

Rule = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "object",
            "description": '`{"all": […]}`, `{"any": […]}`, `{"not": {…}}`, or a field '
            "with an operator and a value.",
            "examples": [{"all": [{"field": "country", "op": "any_of", "value": ["DE", "AT"]}]}],
        }
    ),
]


class SegmentPath(Query):
    """A segment's id."""

    id: str = Field(max_length=40, description="`seg_…`")


class SegmentQuery(PageQuery):
    """What a list of segments is narrowed to."""

    q: str | None = Field(None, max_length=200, description="A part of the name.")


class SegmentReply(Reply):
    """A segment; `people` is the number at the last count."""

    id: str
    name: str
    description: str
    people: int | None
    counted_at: str | None
    created_at: str
    updated_at: str
    archived_at: str | None


class FullSegmentReply(SegmentReply):
    """With its rule, as JSON and as a sentence."""

    rule: dict[str, Any]
    sentence: str


class SegmentPage(Reply):
    """A page of segments."""

    data: list[SegmentReply]
    next_cursor: str | None


class CountBody(Body):
    """A rule to count; nothing is kept."""

    rule: Rule


class CountReply(Reply):
    """How many people match, what the rule says, and who of them can be written to."""

    people: int
    sentence: str
    reach: dict[str, int] = Field(description="People per channel.")


def shown(segment: Segment) -> dict[str, Any]:
    """A segment as lists show it."""
    return {
        "id": ids.encode("seg", segment.id),
        "name": segment.name,
        "description": segment.description,
        "people": segment.people,
        "counted_at": time(segment.counted_at),
        "created_at": time(segment.created_at),
        "updated_at": time(segment.updated_at),
        "archived_at": time(segment.archived_at),
    }
