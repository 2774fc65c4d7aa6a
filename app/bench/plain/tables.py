"""Herald's people, and a message log of the baseline's own, by the ORM."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Apart from Herald's own tables."""

    type_annotation_map = {  # noqa: RUF012 - as SQLAlchemy reads it
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
    }


class Person(Base):
    """A row of `contact`."""

    __tablename__ = "contact"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    phone: Mapped[str | None]
    first_name: Mapped[str | None]
    country: Mapped[str | None]
    attributes: Mapped[dict[str, Any]]


class Device(Base):
    """A row of `device`."""

    __tablename__ = "device"

    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int]
    token: Mapped[str]
    app: Mapped[str]


class Suppression(Base):
    """A row of `suppression`."""

    __tablename__ = "suppression"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    address: Mapped[str]


class Preference(Base):
    """A row of `preference`."""

    __tablename__ = "preference"

    contact_id: Mapped[int] = mapped_column(primary_key=True)
    topic_id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    opted_in: Mapped[bool]


class Message(Base):
    """The baseline's log: one row per message."""

    __tablename__ = "plain_message"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    person_id: Mapped[int | None] = mapped_column(index=True)
    address: Mapped[str]
    template: Mapped[str]
    data: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(index=True)
    provider_id: Mapped[str | None]
    accepted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sent_at: Mapped[datetime | None]


class Hit(Base):
    """An open or a click: one row each."""

    __tablename__ = "plain_hit"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    message_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str]
    link: Mapped[int]
    agent: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
