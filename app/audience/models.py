"""Tables of people: contacts, devices, topics, consent, suppressions, segments, imports."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref

CHANNELS = ("email", "sms", "ios", "android")
TOPIC_CLASSES = ("security", "transactional", "marketing")
SUPPRESSION_REASONS = (
    "bounce",
    "complaint",
    "stop",
    "unsubscribe",
    "manual",
    "erased",
    "invalid",
)


class Contact(Model):
    """A person who may receive something. Screens say *people*."""

    __tablename__ = "contact"
    __table_args__ = (
        Index("ix_contact_email", text("lower(email)")),
        Index("ix_contact_phone", "phone"),
        # Every segment leaves erased people out; saying so here lets it read the index alone.
        Index(
            "ix_contact_country_locale",
            "country",
            "locale",
            postgresql_where=text("erased_at is null"),
        ),
        Index("ix_contact_created_at", "created_at", postgresql_where=text("erased_at is null")),
        Index("ix_contact_tags", "tags", postgresql_using="gin"),
        Index(
            "ix_contact_search",
            "search",
            postgresql_using="gin",
            postgresql_ops={"search": "gin_trgm_ops"},
        ),
    )

    id: Mapped[Key]
    external_id: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str | None]  # as given, domain in lower case
    phone: Mapped[str | None]  # E.164
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    locale: Mapped[str | None]  # BCP 47, `de-AT`
    country: Mapped[str | None]  # ISO 3166-1 alpha-2
    timezone: Mapped[str | None]  # IANA name
    tags: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_seen_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(
        Computed(
            "lower(coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || "
            "coalesce(email, '') || ' ' || coalesce(phone, '') || ' ' || "
            "coalesce(external_id, ''))",
            persisted=True,
        )
    )


class Device(Model):
    """One push token of a contact on `ios` or `android`, with app and environment."""

    __tablename__ = "device"
    __table_args__ = (
        CheckConstraint("platform in ('ios', 'android')", name="platform"),
        CheckConstraint("environment in ('production', 'sandbox')", name="environment"),
        UniqueConstraint("token"),
        Index("ix_device_contact_id", "contact_id"),
    )

    id: Mapped[Key]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    platform: Mapped[str]
    token: Mapped[str]
    app: Mapped[str] = mapped_column(server_default="")
    environment: Mapped[str] = mapped_column(server_default="production")
    registered_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class Topic(Model):
    """What a contact can opt in to or out of. Its class decides which rules apply."""

    __tablename__ = "topic"
    __table_args__ = (CheckConstraint(f"klass in {TOPIC_CLASSES}", name="klass"),)

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    klass: Mapped[str]
    # What holds for people who never chose.
    opted_in_by_default: Mapped[bool] = mapped_column(server_default=text("true"))
    position: Mapped[int] = mapped_column(server_default="0")
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Preference(Model):
    """What a contact chose for one topic on one channel. No row: never chose."""

    __tablename__ = "preference"

    contact_id: Mapped[int] = mapped_column(
        ForeignKey("contact.id", ondelete="CASCADE"), primary_key=True
    )
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    opted_in: Mapped[bool]
    source: Mapped[str]  # api, import, preference page, one-click, stop, console
    at: Mapped[datetime]


class ConsentEntry(Model):
    """The append-only ledger behind preferences: who chose what, when, and how we know."""

    __tablename__ = "consent_entry"
    __table_args__ = (Index("ix_consent_entry_contact_id_id", "contact_id", "id"),)

    id: Mapped[Key]
    at: Mapped[datetime]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"))
    channel: Mapped[str]
    opted_in: Mapped[bool]
    source: Mapped[str]
    evidence: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Suppression(Model):
    """An address that must not be used, and why. `kind` is email, phone or token.

    `address` is lower-case e-mail, E.164 or a token. `scope` marketing spares service messages
    (complaints and unsubscribes); `all` spares nothing.
    """

    __tablename__ = "suppression"
    __table_args__ = (
        CheckConstraint("kind in ('email', 'phone', 'token')", name="kind"),
        CheckConstraint("scope in ('all', 'marketing')", name="scope"),
        CheckConstraint(f"reason in {SUPPRESSION_REASONS}", name="reason"),
        UniqueConstraint("kind", "address"),
    )

    id: Mapped[Key]
    kind: Mapped[str]
    address: Mapped[str]
    scope: Mapped[str] = mapped_column(server_default="all")
    reason: Mapped[str]
    source: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    notification_id: Mapped[Ref | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Segment(Model):
    """A saved rule over contacts; `rule` is the tree that `audience.rules` reads."""

    __tablename__ = "segment"

    id: Mapped[Key]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    rule: Mapped[dict[str, Any]]
    people: Mapped[int | None]  # at the last count
    counted_at: Mapped[datetime | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    archived_at: Mapped[datetime | None]


class ContactEvent(Model):
    """Something a person did in the product: for segments."""

    __tablename__ = "contact_event"
    __table_args__ = (Index("ix_contact_event_contact_id_name_at", "contact_id", "name", "at"),)

    id: Mapped[Key]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"))
    name: Mapped[str]
    at: Mapped[datetime]
    properties: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


class Import(Model):
    """One CSV file of people: its mapping, progress and outcome."""

    __tablename__ = "import"
    __table_args__ = (
        CheckConstraint("status in ('uploaded', 'running', 'finished', 'failed')", name="status"),
    )

    id: Mapped[Key]
    filename: Mapped[str]
    path: Mapped[str]  # below the var directory
    bytes: Mapped[Ref]
    header: Mapped[list[str]]
    mapping: Mapped[dict[str, Any]]  # column heading -> contact field or `attributes.<name>`
    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    status: Mapped[str]
    bytes_read: Mapped[Ref] = mapped_column(server_default="0")
    rows: Mapped[int] = mapped_column(server_default="0")
    created: Mapped[int] = mapped_column(server_default="0")
    updated: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    opt_outs_kept: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]


class ImportRefusal(Model):
    """One refused row of an import, with the reason and the row as it was."""

    __tablename__ = "import_refusal"
    __table_args__ = (Index("ix_import_refusal_import_id_line", "import_id", "line"),)

    id: Mapped[Key]
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id", ondelete="CASCADE"))
    line: Mapped[int]
    column: Mapped[str]
    reason: Mapped[str]
    row: Mapped[list[str]]
