"""The contract of a channel: messages in, exactly one Result each out.

Every answer of every provider becomes one of eight outcomes; nothing else leaves an adapter, and
no fault of a provider is ever raised.

What is made for every recipient (messages, results) is to be treated as frozen and is not declared
so: a frozen dataclass costs three times as much to make.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Protocol, runtime_checkable

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


class Concern(StrEnum):
    """What an answer says beyond its message: staff must hear of it, or an address be watched."""

    UNMAPPED = "unmapped"  # a refusal that Herald does not know
    ADAPTER = "adapter"  # the provider calls our request malformed: Herald's own mistake
    REGION = "region"  # texts to this country are not enabled
    LOOP = "loop"  # very many texts to one number within seconds
    ABSURD_WAIT = "absurd_wait"  # asked to wait a negative time, or more than a day
    KEY_UPDATES = "key_updates"  # Apple: the provider token is renewed too often
    LOGIN_LASTS = "login_lasts"  # no log-in at the mail server for a quarter of an hour
    FULL = "full"  # the mailbox is full or disabled: dead when it happens again and again
    POLICY = "policy"  # the receiving side's rules refuse us: never the recipient's fault
    MISMATCH = "mismatch"  # a device token of another project


@dataclass(slots=True)
class Result:
    """One message's answer.

    `code` is the provider's own word (or one of ours in lower case), `detail` a sentence for staff
    without address, token or content. `not_before` is aware UTC. `scope` says whether only this
    message is concerned or the whole lane. `registered_before` (APNs 410): the token is dead only
    if the device was registered before that moment. `attempted` is False when the message was never
    begun: it costs no try. Messages that shared one call share one Result when the call failed.
    `environment` (APNs) is where the token turned out to live, when it is not where we thought.
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
    concern: Concern | None = None
    environment: Literal["production", "sandbox"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmailShell:
    """The part of an e-mail that many recipients share, with placeholder tokens in it."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
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


@dataclass(slots=True)
class SmsMessage:
    """One text message; `to` in E.164; `expires_at` aware UTC or None."""

    ref: str
    attempt: int
    to: str
    body: str
    expires_at: datetime | None = None


@dataclass(slots=True)
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


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text message as its provider lists it; `status` and `error` are the provider's words.

    An empty `status`: the provider knows no such text.
    """

    provider_id: str
    status: str = ""
    error: str = ""
    to: str = ""
    body: str = ""
    created_at: datetime | None = None


@runtime_checkable
class LooksUp(Protocol):
    """A provider of texts that can be asked what it took: evidence for answers that were lost.

    What could not be asked (no answer, slow down) is missing from the answers.
    """

    def texts(self, provider_ids: Sequence[str]) -> Mapping[str, KnownText]:
        """Provider id -> the text, with an empty status where there is none."""
        ...

    def texts_to(self, numbers: Mapping[str, datetime]) -> Mapping[str, Sequence[KnownText]]:
        """Number -> the texts to it that were made since that moment, newest first."""
        ...
