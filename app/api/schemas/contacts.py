"""How people, their devices, preferences and events are written.

The domain judges the fields of a person (one verdict in API, import and console), so their shapes
here only document.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from app import ids
from app.api.schemas.common import Channel, DocumentedAs, ExternalId, time
from app.api.validation import Body, Moment, Query, Reply, check
from app.audience.consent import TopicStanding
from app.audience.lookup import Person
from app.errors import FieldError, Invalid

LARGEST_BATCH: Final = 1000
MOST_EVENTS: Final = 500


def _text(description: str, example: str) -> WithJsonSchema:
    return _or_null({"type": "string"}, description, example)


def _or_null(schema: dict[str, Any], description: str, example: Any) -> WithJsonSchema:
    anything = {"anyOf": [schema, {"type": "null"}], "examples": [example]}
    return WithJsonSchema({**anything, "description": description} if description else anything)


_VALUES: Final[list[dict[str, Any]]] = [
    {"type": name} for name in ("string", "number", "boolean", "null")
]
_ATTRIBUTES: Final = _or_null(
    {
        "type": "object",
        "additionalProperties": {
            "anyOf": [*_VALUES, {"type": "array", "items": {"anyOf": _VALUES}}]
        },
    },
    "Texts, numbers, true, false, or lists of these; null removes one.",
    {"plan": "plus", "orders": 7},
)
_TAGS: Final = _or_null({"type": "array", "items": {"type": "string"}}, "", ["vip"])


class ContactBody(Body):
    """Fields of a person. Absent fields stay as they are, null clears."""

    # The domain says what is unknown, together with everything else that is wrong.
    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})

    email: Annotated[Any, _text("Syntax and length are checked.", "amara@example.com")] = None
    phone: Annotated[Any, _text("E.164, or a number of the person's country.", "+447700900412")] = (
        None
    )
    first_name: Annotated[Any, _text("", "Amara")] = None
    last_name: Annotated[Any, _text("", "Okafor")] = None
    locale: Annotated[Any, _text("BCP 47.", "en-GB")] = None
    country: Annotated[Any, _text("ISO 3166-1, two letters.", "GB")] = None
    timezone: Annotated[Any, _text("IANA name.", "Europe/London")] = None
    attributes: Annotated[Any, _ATTRIBUTES] = None
    tags: Annotated[Any, _TAGS] = None

    def change(self) -> dict[str, Any]:
        """Only what was given, null included."""
        return self.model_dump(exclude_unset=True)


class ContactItem(ContactBody):
    """One person of a batch."""

    external_id: ExternalId


class ContactBatch(Body):
    """Up to 1,000 people; each is checked, and answered, on its own."""

    contacts: list[Annotated[Any, DocumentedAs(ContactItem)]] = Field(
        min_length=1, max_length=LARGEST_BATCH
    )


class ContactPath(Query):
    """Your own id of a person."""

    external_id: str = Field(max_length=200)


class DevicePath(ContactPath):
    """A push token of a person."""

    token: str = Field(max_length=4096)


class DeviceBody(Body):
    """Where a push token comes from."""

    platform: Literal["ios", "android"]
    app: str = Field("", max_length=255, description="Bundle id or package name.")
    environment: Literal["production", "sandbox"] = "production"


class DeviceReply(Reply):
    """A device that can be written to."""

    id: str
    platform: str
    token: str
    app: str
    environment: str


class ContactReply(Reply):
    """A person with living devices."""

    id: str
    external_id: str
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    locale: str | None
    country: str | None
    timezone: str | None
    tags: list[str]
    attributes: dict[str, Any]
    devices: list[DeviceReply]
    created_at: str
    updated_at: str
    last_seen_at: str | None


class ContactResult(Reply):
    """What became of one person of a batch."""

    status: int = Field(description="200, 201 or 422.")
    id: str | None = None
    external_id: str | None = None
    errors: list[dict[str, str]] | None = None


class ContactBatchReply(Reply):
    """One result per person, in order."""

    results: list[ContactResult]


class PreferencesBody(Body):
    """Choices of a person: topic -> channel -> opted in. What is absent stays."""

    topics: dict[str, dict[str, bool]] = Field(
        min_length=1, max_length=100, examples=[{"offers": {"email": True, "sms": False}}]
    )
    source: str | None = Field(
        None, min_length=1, max_length=200, description="Where the person chose, in your words."
    )
    at: Moment | None = Field(None, description="When the person chose; kept as evidence.")


class ChoiceReply(Reply):
    """One choice that the person made."""

    topic: str
    channel: Channel
    opted_in: bool
    source: str
    at: str


class PreferencesReply(Reply):
    """What holds for every topic and channel, and which of it the person chose."""

    topics: dict[str, dict[str, bool]]
    choices: list[ChoiceReply]


class EventBody(Body):
    """Something a person did in your product."""

    external_id: ExternalId
    name: str = Field(min_length=1, max_length=100, examples=["order_completed"])
    at: Moment | None = Field(None, description="Default: now.")
    properties: dict[str, Any] = Field({}, description="At most 8 kB.")


class EventsBody(Body):
    """Up to 500 `events`, each checked and answered on its own; or the fields of a single one."""

    events: list[Annotated[Any, DocumentedAs(EventBody)]] | None = Field(
        None, min_length=1, max_length=MOST_EVENTS
    )
    external_id: str | None = None
    name: str | None = None
    at: Any = None
    properties: dict[str, Any] | None = None

    def told(self) -> list[Any]:
        """The events, still to be checked."""
        if self.events is not None:
            return self.events
        return [self.model_dump(exclude_unset=True, exclude={"events"})]

    @classmethod
    def across(cls, document: Any) -> list[FieldError]:
        """Either a list, or one event."""
        if not isinstance(document, Mapping):
            return []
        if "events" in document:
            both = [name for name in EventBody.model_fields if name in document]
            words = "Give `events` or the fields of one event, not both."
            return [FieldError(f"/{name}", "excluded", words) for name in both]
        single = check(EventBody, dict(document))
        return list(single.fields) if isinstance(single, Invalid) else []


class EventResult(Reply):
    """What became of one event."""

    status: int = Field(description="202 or 422.")
    errors: list[dict[str, str]] | None = None


class EventsReply(Reply):
    """One result per event, in order."""

    results: list[EventResult]


def contact(person: Person) -> dict[str, Any]:
    """A person as the API shows them."""
    return {
        "id": ids.encode("con", person.id),
        "external_id": person.external_id,
        "email": person.email,
        "phone": person.phone,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "locale": person.locale,
        "country": person.country,
        "timezone": person.timezone,
        "tags": list(person.tags),
        "attributes": dict(person.attributes),
        "devices": [device(item) for item in person.devices],
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "last_seen_at": person.last_seen_at,
    }


def device(item: Any) -> dict[str, Any]:
    """A device (`Device` or `lookup.PersonDevice`) as the API shows it."""
    return {
        "id": ids.encode("dev", item.id),
        "platform": item.platform,
        "token": item.token,
        "app": item.app,
        "environment": item.environment,
    }


def preferences(rows: Sequence[TopicStanding]) -> dict[str, Any]:
    """What holds, and what was chosen."""
    return {
        "topics": {
            row.topic.key: {name: item.opted_in for name, item in row.channels.items()}
            for row in rows
        },
        "choices": list(_choices(rows)),
    }


def _choices(rows: Sequence[TopicStanding]) -> Iterable[dict[str, Any]]:
    for row in rows:
        for channel, standing in row.channels.items():
            if standing.explicit:
                yield {
                    "topic": row.topic.key,
                    "channel": channel,
                    "opted_in": standing.opted_in,
                    "source": standing.source,
                    "at": time(standing.at),
                }
