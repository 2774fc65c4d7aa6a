"""The table of campaigns."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref

STATUSES = (
    "draft",
    "scheduled",
    "launching",
    "sending",
    "paused",
    "sent",
    "cancelled",
    "failed",
)
IMPORTANCES = ("normal", "high")


class Campaign(Model):
    """One content to one audience (segments in, segments out), at a time."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint(f"status in {STATUSES}", name="status"),
        CheckConstraint("strategy in ('all', 'first')", name="strategy"),
        CheckConstraint("include_match in ('all', 'any')", name="include_match"),
        CheckConstraint("rate > 0", name="rate"),
        CheckConstraint(f"importance in {IMPORTANCES}", name="importance"),
        Index("ix_campaign_status_send_at", "status", "send_at"),
    )

    id: Mapped[Key]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="draft")
    revision: Mapped[int] = mapped_column(server_default="1")
    topic_id: Mapped[int | None] = mapped_column(ForeignKey("topic.id"))
    channels: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))  # in order
    strategy: Mapped[str] = mapped_column(server_default="all")
    include_match: Mapped[str] = mapped_column(server_default="any")
    include_segments: Mapped[list[int]] = mapped_column(server_default=text("'{}'"))
    exclude_segments: Mapped[list[int]] = mapped_column(server_default=text("'{}'"))
    # The campaign's own content; frozen at launch.
    version_id: Mapped[int | None] = mapped_column(ForeignKey("template_version.id"))
    # Null: at once. The wall time in `zone` is what was asked for; `send_at` is computed from it.
    wall_time: Mapped[str | None]  # `2026-11-24T18:00`
    zone: Mapped[str | None]
    send_at: Mapped[datetime | None]
    # Its time had passed by too much when it was found: a person decides. Still `scheduled`.
    late_since: Mapped[datetime | None]
    quiet_hours: Mapped[bool] = mapped_column(server_default=text("true"))
    expires_hours: Mapped[int | None]
    rate: Mapped[int | None]  # messages per second; null: as fast as it goes
    # Which one goes first when people have had as many messages as the cap allows.
    importance: Mapped[str] = mapped_column(server_default="normal")
    # Progress of the fan-out: contacts up to here have their rows.
    fanned_out_to: Mapped[Ref] = mapped_column(server_default="0")
    fanned_out_at: Mapped[datetime | None]
    pushed_at: Mapped[datetime | None]  # when the clock last asked for the fan-out again
    people: Mapped[int] = mapped_column(server_default="0")  # matched; of a draft: last count
    failure: Mapped[str | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    launched_at: Mapped[datetime | None]
    launched_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    finished_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
