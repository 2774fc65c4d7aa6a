"""Tables of what guards the sending path: where this database lives, what checks found."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Model, Ref


class Installation(Model):
    """Where this database lives, and whether it may send. One row, made at the first start.

    `fingerprint` names the place; a copy that wakes up elsewhere does not match it. `beats` rises
    while Herald runs, here and outside the database: a copy restored in place is behind.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[Ref] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[str]  # drawn once: which installation a counter outside belongs to
    fingerprint: Mapped[str]
    beats: Mapped[Ref] = mapped_column(server_default="0")
    beat_at: Mapped[datetime | None]
    held_at: Mapped[datetime | None]
    held_by: Mapped[str | None]
    held_reason: Mapped[str | None]
    # What was accepted until then is being cancelled; after that the hold ends.
    discarding_at: Mapped[datetime | None]


class Checkup(Model):
    """What a periodic check found the last time."""

    __tablename__ = "checkup"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    took_ms: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
