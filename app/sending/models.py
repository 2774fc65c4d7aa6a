"""Tables of the spine: notifications, batches, attempts, copies, counters, lanes, breakers.

`notification` is partitioned by month of `accepted_at`; all rows of a campaign share the moment of
its launch, so the unique index that forbids a second message to the same address holds for all.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref
from app.sending.status import STATUSES

LANES = ("transactional", "bulk")
BREAKER_CAUSES = ("failing", "silent", "throttled", "config")
BATCH_STATES = ("pending", "claimed", "dispatching", "done", "unknown", "parked")


class Notification(Model):
    """One message to one address on one channel, from acceptance to the end of retention."""

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint(f"status in {STATUSES}", name="status"),
        Index("ix_notification_contact_id_id", "contact_id", text("id desc")),
        Index(
            "uq_notification_campaign_address",
            "campaign_id",
            "channel",
            "address",
            "accepted_at",
            unique=True,
            postgresql_where=text("campaign_id is not null and previous_id is null"),
        ),
        Index(
            "ix_notification_previous_id",
            "previous_id",
            postgresql_where=text("previous_id is not null"),
        ),
        # Held and unknown messages by the time at which they are looked at again, and dead letters.
        # Both columns stay empty on the usual way, whose updates so touch no index (HOT).
        Index(
            "ix_notification_waiting",
            "send_after",
            postgresql_where=text("send_after is not null"),
        ),
        Index(
            "ix_notification_dead_letter",
            "id",
            postgresql_where=text("dead_at is not null and discarded_at is null"),
        ),
        # Block ranges, which let updates be HOT: messages of which nothing was heard for long.
        Index(
            "ix_notification_handed_at",
            "handed_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
        # Messages to people are found through the person; this is for bare addresses.
        Index(
            "ix_notification_bare_address",
            "address",
            text("id desc"),
            postgresql_where=text("contact_id is null"),
        ),
        {"postgresql_partition_by": "RANGE (accepted_at)"},
    )

    id: Mapped[Ref] = mapped_column(Identity(), primary_key=True)
    accepted_at: Mapped[datetime] = mapped_column(primary_key=True)
    origin: Mapped[str]  # api, campaign, test, console
    test: Mapped[bool] = mapped_column(server_default=text("false"))  # handed to the sandbox
    lane: Mapped[str]
    channel: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str | None]
    campaign_id: Mapped[Ref | None]
    contact_id: Mapped[Ref | None]
    device_id: Mapped[Ref | None]
    topic_id: Mapped[Ref]
    version_id: Mapped[Ref]
    address: Mapped[str | None]
    data: Mapped[dict[str, Any] | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    api_key_id: Mapped[Ref | None]
    request_id: Mapped[str | None]
    # Channels to try next when this one fails for good (strategy `first`).
    fallback: Mapped[list[str] | None]
    # The message that this one follows: sent again, or the next channel.
    previous_id: Mapped[Ref | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    send_after: Mapped[datetime | None]
    hold_reason: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    handed_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]
    # Since when it is a dead letter; only while it has failed.
    dead_at: Mapped[datetime | None]
    # A dead letter that staff decided to leave as it is.
    discarded_at: Mapped[datetime | None]

    @property
    def follows(self) -> bool:
        """Whether it was made because the one before did not reach; no member sent it again."""
        return self.previous_id is not None and self.origin != "console"


class Batch(Model):
    """The unit of work and of the lease: notifications of one channel and lane.

    `ids` are keys of notifications accepted between `accepted_from` and `accepted_to`.
    """

    __tablename__ = "batch"
    __table_args__ = (
        CheckConstraint(f"state in {BATCH_STATES}", name="state"),
        Index(
            "ix_batch_open",
            "state",
            "nudged_at",
            postgresql_where=text("state in ('pending', 'claimed', 'dispatching')"),
        ),
        Index(
            "ix_batch_campaign_id_open",
            "campaign_id",
            postgresql_where=text("state in ('pending', 'claimed', 'dispatching')"),
        ),
        # Whose turn it is among the campaigns of a bulk queue (`turns`).
        Index(
            "ix_batch_turn",
            "channel",
            text("coalesce(campaign_id, 0)"),
            "id",
            postgresql_where=text("state = 'pending' and lane = 'bulk'"),
        ),
        Index(
            "ix_batch_running",
            "channel",
            text("coalesce(campaign_id, 0)"),
            postgresql_where=text("state in ('claimed', 'dispatching') and lane = 'bulk'"),
        ),
        # What went out in the last minutes: flow and waiting times of the queues.
        Index("ix_batch_done_at", "done_at", postgresql_where=text("done_at is not null")),
    )

    id: Mapped[Key]
    channel: Mapped[str]
    lane: Mapped[str]
    test: Mapped[bool] = mapped_column(server_default=text("false"))
    campaign_id: Mapped[Ref | None]
    ids: Mapped[list[int]]
    accepted_from: Mapped[datetime]
    accepted_to: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="pending")
    owner: Mapped[str | None]
    provider: Mapped[str | None]  # who was asked
    fence: Mapped[int] = mapped_column(server_default="0")
    deaths: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    nudged_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    dispatched_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class Attempt(Model):
    """One call to a provider about one notification, and its answer. Written as answers come in."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("notification_id", "batch_id", "fence"),)

    id: Mapped[Key]
    notification_id: Mapped[Ref]
    batch_id: Mapped[Ref]
    fence: Mapped[int]
    number: Mapped[int]
    at: Mapped[datetime]
    provider: Mapped[str]
    outcome: Mapped[str]
    code: Mapped[str | None]
    detail: Mapped[str]
    provider_id: Mapped[str | None]
    not_before: Mapped[datetime | None]
    duration_ms: Mapped[int]
    # Of a lost answer: when the provider was asked what it had taken, and whether this was missing.
    asked_at: Mapped[datetime | None]
    unlisted: Mapped[bool | None]


class Copy(Model):
    """What rendering was given for the messages of a batch, so that each can be shown as sent.

    Versions are immutable, so version + facts give the exact text again. `facts` is zlib over a
    JSON object: notification key -> variables.
    """

    __tablename__ = "copy"

    batch_id: Mapped[Ref] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    facts: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerDelta(Model):
    """What one transaction did to the counters of states; folded into LedgerCount by the clock.

    `entered - left`, over all hours, is how many are in a state now; `entered` is the flow.
    """

    __tablename__ = "ledger_delta"
    __table_args__ = (Index("ix_ledger_delta_campaign_id", "campaign_id"),)

    id: Mapped[Key]
    campaign_id: Mapped[Ref] = mapped_column(server_default="0")  # 0: no campaign
    channel: Mapped[str]
    hour: Mapped[datetime]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    entered: Mapped[int]
    left: Mapped[int]


class LedgerCount(Model):
    """Folded LedgerDelta: one row per campaign, channel, hour, status and reason."""

    __tablename__ = "ledger_count"
    __table_args__ = (Index("ix_ledger_count_hour", "hour"),)

    campaign_id: Mapped[Ref] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    entered: Mapped[int]
    left: Mapped[int]


class LaneState(Model):
    """A lane that staff paused."""

    __tablename__ = "lane_state"

    channel: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]


class ProviderAccount(Model):
    """The breaker of one provider account. No row, or no `open_since`: it is asked as usual.

    While it is open, one message may go as a probe at `probe_at`; the others wait, or go by another
    provider.
    """

    __tablename__ = "provider_account"
    __table_args__ = (CheckConstraint(f"cause in {BREAKER_CAUSES}", name="cause"),)

    provider: Mapped[str] = mapped_column(primary_key=True)
    open_since: Mapped[datetime | None]
    cause: Mapped[str | None]
    code: Mapped[str | None]
    detail: Mapped[str] = mapped_column(server_default="")
    probe_at: Mapped[datetime | None]


class CapHold(Model):
    """A marketing message on its way out, seen by others that count the person's messages."""

    __tablename__ = "cap_hold"
    __table_args__ = (
        Index("ix_cap_hold_contact_id", "contact_id"),
        Index("ix_cap_hold_batch_id", "batch_id"),
    )

    notification_id: Mapped[Ref] = mapped_column(primary_key=True)
    contact_id: Mapped[Ref]
    campaign: Mapped[Ref]  # its key, or minus the message's
    kind: Mapped[str]  # email, sms, push
    batch_id: Mapped[Ref]
    at: Mapped[datetime]


class Pace(Model):
    """Messages per second: of a provider account (`provider:twilio`), a campaign (`campaign:12`).

    `next_at` is the theoretical arrival time of the next message (GCRA, ITU-T I.371).
    """

    __tablename__ = "pace"

    key: Mapped[str] = mapped_column(primary_key=True)
    rate: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Idempotency(Model):
    """The answer that was given to an Idempotency-Key, for seven days."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_created_at", "created_at"),)

    api_key_id: Mapped[Ref] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    request: Mapped[dict[str, Any]]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
