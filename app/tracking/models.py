"""Tables of receipts, events and engagement counters."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref

EVENT_KINDS = (
    "processed",
    "deferred",
    "delivered",
    "bounced",
    "dropped",
    "failed",
    "opened",
    "clicked",
    "dismissed",
    "complained",
    "unsubscribed",
    "replied",
)
VERDICTS = ("human", "machine", "unclear")


class Receipt(Model):
    """The raw body of a provider's webhook, committed before we answer, applied afterwards."""

    __tablename__ = "receipt"
    __table_args__ = (
        Index("ix_receipt_waiting", "due_at", postgresql_where=text("applied_at is null")),
    )

    id: Mapped[Key]
    provider: Mapped[str]  # sendgrid, twilio_status, twilio_inbound
    received_at: Mapped[datetime]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(server_default="0")
    # News of a message that is not known yet waits here: it may have overtaken our own commit.
    due_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    applied_at: Mapped[datetime | None]
    error: Mapped[str | None]


class Event(Model):
    """One fact that came back about a notification."""

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(f"kind in {EVENT_KINDS}", name="kind"),
        CheckConstraint(f"verdict in {VERDICTS}", name="verdict"),
        Index("ix_event_notification_id", "notification_id"),
        Index("ix_event_contact_id_kind_at", "contact_id", "kind", "at"),
        Index("uq_event_dedup", "dedup", unique=True),
    )

    id: Mapped[Key]
    notification_id: Mapped[Ref]
    # Copied from the notification, so that segments and reports need no join with the log.
    contact_id: Mapped[Ref | None]
    campaign_id: Mapped[Ref | None]
    channel: Mapped[str]
    kind: Mapped[str]
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    source: Mapped[str]  # sendgrid, twilio, pixel, link, device, one-click, …
    verdict: Mapped[str | None]
    verdict_reason: Mapped[str | None]
    # The first human event of this kind of this notification: what unique rates count.
    first: Mapped[bool] = mapped_column(server_default=text("false"))
    link_id: Mapped[Ref | None]
    dedup: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class EngagementDelta(Model):
    """What a flush of events added to the counters; folded into EngagementCount by the clock.

    `slot` begins five minutes in the first hours after a message was handed over, and an hour
    later on: fine where people look at a campaign that has just gone out, small everywhere else.
    A click is counted twice: under its link, and under link 0, which stands for all of them.
    """

    __tablename__ = "engagement_delta"
    __table_args__ = (Index("ix_engagement_delta_campaign_id", "campaign_id"),)

    id: Mapped[Key]
    campaign_id: Mapped[Ref] = mapped_column(server_default="0")
    channel: Mapped[str]
    slot: Mapped[datetime]
    kind: Mapped[str]
    verdict: Mapped[str]
    link_id: Mapped[Ref] = mapped_column(server_default="0")
    events: Mapped[int]
    firsts: Mapped[int]


class EngagementCount(Model):
    """Folded EngagementDelta: one row per campaign, channel, slot, kind, verdict and link.

    Campaign 0 is everything outside campaigns; link 0 is all links together.
    """

    __tablename__ = "engagement_count"
    __table_args__ = (Index("ix_engagement_count_slot", "slot"),)

    campaign_id: Mapped[Ref] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    verdict: Mapped[str] = mapped_column(primary_key=True)
    link_id: Mapped[Ref] = mapped_column(primary_key=True)
    events: Mapped[int]
    firsts: Mapped[int]
