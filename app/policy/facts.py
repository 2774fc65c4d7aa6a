"""What the decision is made from: facts about one message and the rules of the house."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Class = Literal["security", "transactional", "marketing"]


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` marketing messages to one person in any `days` days.

    `when_full` says what becomes of the next one: it is dropped, it waits until there is room, or
    the more important campaign goes.
    """

    messages: int
    days: int
    when_full: Literal["drop", "defer", "priority"] = "drop"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """No marketing between two wall times (minutes after midnight) where the person lives."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of the workspace. None is off; there is no 0."""

    zone: str = "UTC"
    cap: Cap | None = None
    quiet_hours: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known, at this moment, about one message to one address.

    `opted_in` is the person's own choice for this topic and channel, None when never made.
    `sent_in_window` counts marketing messages handed over within the cap's window, `room_at` is
    when the cap lets another one through, and `rivals` counts more important ones that wait.
    """

    klass: Class
    address: str | None
    opted_in_by_default: bool = True
    opted_in: bool | None = None
    erased: bool = False
    suppressed_for: str | None = None
    suppression_scope: Literal["all", "marketing"] | None = None
    device_gone: bool = False
    sent_in_window: int = 0
    room_at: datetime | None = None
    rivals: int = 0
    zone: str | None = None
    expires_at: datetime | None = None
    campaign_cancelled: bool = False
    ignores_quiet_hours: bool = False
