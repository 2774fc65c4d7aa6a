"""The contract of a channel: messages in, exactly one Result each out.

Every answer of every provider becomes one of eight outcomes; nothing else leaves an adapter, and
no fault of a provider is ever raised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Protocol

Scope = Literal["message", "lane"]

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 15.0
PUSH_CALL_SECONDS: Final = 10.0
# No send() runs longer than this, whatever the other side does (SMTP is the slowest: an opening
# window plus one message). A lease on the messages has to be longer.
LONGEST_SEND_SECONDS: Final = 150.0


class Outcome(StrEnum):
    """What an answer means for the message."""

    ACCEPTED = "accepted"  # the provider took responsibility
    RETRY = "retry"  # certainly not accepted, may work later
    THROTTLED = "throttled"  # certainly not accepted, asked to slow down
    AMBIGUOUS = "ambiguous"  # bytes left us, no usable answer
    RECIPIENT_DEAD = "recipient_dead"  # this address can never work
    SUPPRESSED = "suppressed"  # the recipient opted out at the provider
    REJECTED = "rejected"  # this request is wrong
    CONFIG_ERROR = "config_error"  # credentials, sender identity, account


@dataclass(frozen=True, slots=True)
class Result:
    """One message's answer.

    `code` is the provider's own word (or one of ours in lower case), `detail` a sentence for staff
    without address, token or content. `not_before` is aware UTC. `scope` says whether only this
    message is concerned or the whole lane. `registered_before` (APNs 410): the token is dead only
    if the device was registered before that moment. `attempted` is False when the message was never
    begun: it costs no try. Messages that shared one call share one Result when the call failed.
    """

    outcome: Outcome
    provider_id: str | None = None
    code: str | None = None
    detail: str = ""
    not_before: datetime | None = None
    scope: Scope = "message"
    registered_before: datetime | None = None
    duration_ms: int = 0
    attempted: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class EmailShell:
    """The part of an e-mail that many recipients share, with placeholder tokens in it."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmailMessage:
    """One e-mail to one address.

    With a `shell` the fields `subject`, `html` and `text` are empty and `substitutions` maps each
    placeholder token of the shell to this recipient's text.
    """

    ref: str
    attempt: int
    to: str
    to_name: str
    from_email: str
    from_name: str
    reply_to: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    shell: EmailShell | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """One text message; `to` in E.164; `expires_at` aware UTC or None."""

    ref: str
    attempt: int
    to: str
    body: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One push notification to one device; `url` is opened on tap."""

    ref: str
    attempt: int
    token: str
    platform: Literal["ios", "android"]
    environment: Literal["production", "sandbox"]
    app: str
    title: str
    subtitle: str = ""
    body: str = ""
    image: str = ""
    url: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    badge: int | None = None
    sound: str = ""


Message = EmailMessage | SmsMessage | PushMessage
OnResult = Callable[[int, Result], None]
# Asked just before a message is begun; False: it must not leave any more.
MayBegin = Callable[[int], bool]


def always(_index: int) -> bool:
    """The MayBegin of a sender who never changes his mind."""
    return True


class Provider(Protocol):
    """One way out. `name` is sendgrid, smtp, twilio, apns or fcm."""

    @property
    def name(self) -> str: ...

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """Hand the messages over; returns when each has had exactly one result.

        `on_result(index, result)` is called in this thread as answers come in; `may_begin(index)`
        is asked, perhaps in another thread, before a message is begun, and after a no its result
        is one with `attempted` False. Faults of the provider are results, never exceptions. Ends
        within LONGEST_SEND_SECONDS.
        """
        ...
