"""What a send is asked with: `POST /notifications`, `/batch`, `/explain`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, ConfigDict, Field

from app.api.reading import pointer
from app.api.schemas.common import Channel, DocumentedAs, Email, ExternalId, Phone, wrong
from app.api.validation import Body, Moment, Reply
from app.audience.devices import spelling, token_problem
from app.errors import FieldError
from app.sending.requests import Accepted, Recipient, SendRequest

LARGEST_BATCH: Final = 500
LARGEST_DATA: Final = 100_000
MOST_METADATA: Final = 50
LONGEST_METADATA: Final = 500
_RECIPIENTS: Final = ("external_id", "email", "phone", "device")


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(value)) > LARGEST_DATA:
        raise wrong("too_long", f"At most {LARGEST_DATA:,} bytes of JSON.")
    return value


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > MOST_METADATA:
        raise wrong("too_long", f"At most {MOST_METADATA} entries.")
    for key, item in value.items():
        if not isinstance(item, str | int | float | bool):
            raise wrong("invalid_type", f"{key[:40]!r} must be a string, a number or a boolean.")
        if len(key) > LONGEST_METADATA or len(str(item)) > LONGEST_METADATA:
            raise wrong("too_long", f"Keys and values have at most {LONGEST_METADATA} characters.")
    return value


def _distinct(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise wrong("repeated", "Name each channel once.")
    return value


class DeviceAddress(Body):
    """One push token."""

    platform: Literal["ios", "android"]
    token: str = Field(max_length=4096)


class To(Body):
    """Exactly one of: a known person, or a bare address."""

    external_id: ExternalId | None = None
    email: Email | None = None
    phone: Phone | None = None
    device: DeviceAddress | None = None


class EmailContent(Body):
    """A one-off e-mail; Jinja variables as in templates."""

    subject: str
    preheader: str | None = None
    html: str | None = None
    text: str | None = None


class SmsContent(Body):
    """A one-off text message."""

    body: str


class PushContent(Body):
    """A one-off push notification."""

    title: str
    subtitle: str | None = None
    body: str | None = None
    image: str | None = None
    url: str | None = None
    data: dict[str, Any] | None = None


class Content(Body):
    """One-off content per channel, in place of a template."""

    email: EmailContent | None = None
    sms: SmsContent | None = None
    ios: PushContent | None = None
    android: PushContent | None = None


_EXAMPLE: Final[dict[str, Any]] = {
    "template": "order-shipped",
    "to": {"external_id": "u-1001"},
    "channels": ["ios", "android", "email"],
    "data": {"order": {"number": "88213", "eta": "18:05"}},
    "metadata": {"order_id": "88213"},
}


class SendBody(Body):
    """One send: a template or one-off content, to one recipient."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    to: To
    template: str | None = Field(
        None, min_length=1, max_length=200, description="Key of a published template."
    )
    content: Content | None = Field(None, description="One-off content; needs `topic`.")
    topic: str | None = Field(None, min_length=1, max_length=200)
    channels: Annotated[list[Channel], AfterValidator(_distinct)] | None = Field(
        None, min_length=1, max_length=4, description="Default: all that can be reached."
    )
    strategy: Literal["all", "first"] = Field(
        "all", description="`first`: the first channel that reaches; the next if it fails for good."
    )
    data: Annotated[dict[str, Any], AfterValidator(_small)] = Field(
        {}, description="Values for the variables of the content."
    )
    send_at: Moment | None = Field(None, description="At most 90 days ahead.")
    expires_at: Moment | None = Field(None, description="Never handed over after it.")
    metadata: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(
        {}, description="Your own words, kept with the messages: at most 50 plain values."
    )

    @classmethod
    def across(cls, document: Any) -> list[FieldError]:
        """What is wrong between fields; looked for even when single fields are wrong too."""
        if not isinstance(document, Mapping):
            return []
        return [*_about_content(document), *_about_recipient(document.get("to"))]

    def request(self) -> SendRequest:
        """The wish in the words of `app.sending`."""
        device = self.to.device
        token = spelling(device.platform, device.token) if device else ""
        return SendRequest(
            to=Recipient(
                external_id=self.to.external_id,
                email=self.to.email,
                phone=self.to.phone,
                device=(device.platform, token) if device else None,
            ),
            template=self.template,
            content=self.content.model_dump(exclude_none=True) if self.content else None,
            topic=self.topic,
            channels=tuple(self.channels) if self.channels else None,
            strategy=self.strategy,
            data=self.data,
            send_at=self.send_at,
            expires_at=self.expires_at,
            metadata=self.metadata,
        )


class BatchBody(Body):
    """Up to 500 sends in one transaction; each is checked, and answered, on its own."""

    notifications: list[Annotated[Any, DocumentedAs(SendBody)]] = Field(
        min_length=1, max_length=LARGEST_BATCH
    )


class NewMessage(Reply):
    """One message that now exists."""

    id: str
    channel: Channel
    status: str = Field(description="`queued`, `held` or `skipped`.")
    reason: str | None = Field(None, description="Why it will not be sent.")


class SendReply(Reply):
    """The messages of one send, committed."""

    id: str
    notifications: list[NewMessage]


class BatchResult(Reply):
    """What became of one send of a batch: as if it had been made alone."""

    status: int = Field(description="202 or 422.")
    id: str | None = None
    notifications: list[NewMessage] | None = None
    errors: list[dict[str, str]] | None = None


class BatchReply(Reply):
    """One result per send, in order."""

    results: list[BatchResult]


def reply(request_id: str, accepted: Accepted) -> dict[str, Any]:
    """The answer to one send."""
    return {
        "id": request_id,
        "notifications": [
            {
                "id": message.public_id,
                "channel": message.channel,
                "status": message.status,
                **({"reason": message.reason} if message.reason else {}),
            }
            for message in accepted.messages
        ],
    }


def _about_content(document: Mapping[str, Any]) -> list[FieldError]:
    template, content, topic = (document.get(name) for name in ("template", "content", "topic"))
    if template is None and content is None:
        message = "Give the key of a template, or content and a topic."
        return [FieldError("/template", "required", message)]
    if template is not None and content is not None:
        return [FieldError("/content", "excluded", "Give either a template or content, not both.")]
    if content is not None and topic is None:
        return [FieldError("/topic", "required", "One-off content needs the key of a topic.")]
    if template is not None and topic is not None:
        return [FieldError("/topic", "excluded", "The topic is that of the template.")]
    if content is not None and not any(content.values() if isinstance(content, Mapping) else [1]):
        return [FieldError("/content", "required", "Give content for at least one channel.")]
    return []


def _about_recipient(to: Any) -> list[FieldError]:
    if not isinstance(to, Mapping):
        return []
    given = [name for name in _RECIPIENTS if to.get(name) is not None]
    if not given:
        return [FieldError("/to", "required", f"Give one of {_listed(_RECIPIENTS)}.")]
    if len(given) > 1:
        return [
            FieldError(pointer(("to", name)), "excluded", f"Give only one of {_listed(given)}.")
            for name in given[1:]
        ]
    device = to.get("device")
    if isinstance(device, Mapping) and device.get("platform") in ("ios", "android"):
        problem = token_problem(str(device["platform"]), device.get("token"))
        if problem and isinstance(device.get("token"), str):
            return [FieldError("/to/device/token", "invalid_token", problem)]
    return []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
