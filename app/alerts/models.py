"""The table of incidents."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref


class Incident(Model):
    """One cause that an operator must know of. While it is open, its cause is unique."""

    __tablename__ = "incident"
    __table_args__ = (
        CheckConstraint("severity in ('notice', 'warning', 'critical')", name="severity"),
        Index(
            "uq_incident_open_cause",
            "cause",
            unique=True,
            postgresql_where=text("resolved_at is null"),
        ),
    )

    id: Mapped[Key]
    cause: Mapped[str]  # `twilio:config_error:20003`, one alert each
    severity: Mapped[str]
    title: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    count: Mapped[int] = mapped_column(server_default="1")
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[Ref | None]
    resolved_at: Mapped[datetime | None]
