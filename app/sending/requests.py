"""What sending is asked for, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Origin = Literal["api", "console", "test"]
Strategy = Literal["all", "first"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Exactly one of: a known person, an e-mail address, a phone number (E.164), a device.

    `contact_id` is the console's way to name a person; `device` is (platform, token), the token as
    `devices.spelling` writes it.
    """

    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    device: tuple[str, str] | None = None
    contact_id: int | None = None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One wish: a template (by key) or one-off content with a topic, to one recipient.

    `version_id` (console tests) names a version directly. `channels` None means every channel
    that there is content and an address for.
    """

    to: Recipient
    template: str | None = None
    content: Mapping[str, Any] | None = None
    topic: str | None = None
    version_id: int | None = None
    channels: tuple[str, ...] | None = None
    strategy: Strategy = "all"
    data: Mapping[str, Any] = field(default_factory=dict)
    send_at: datetime | None = None
    expires_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an API key, or a member in the console."""

    origin: Origin
    request_id: str
    api_key_id: int | None = None
    test: bool = False


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message that now exists. `reason` only when it will not be sent."""

    key: int
    public_id: str
    channel: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """All messages of one request."""

    messages: Sequence[AcceptedMessage]
