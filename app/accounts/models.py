"""Tables of members, API keys and the audit trail."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref

ROLES = ("owner", "marketer", "support", "developer", "viewer")
SCOPES = ("send", "contacts", "read", "campaigns")


class Member(Model):
    """A person who works in the console."""

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint(f"role in {ROLES}", name="role"),
        Index("uq_member_email", text("lower(email)"), unique=True),
    )

    id: Mapped[Key]
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    # Given by somebody else, shown once: nothing but a new password can be done with it.
    password_temporary: Mapped[bool] = mapped_column(server_default=text("false"))
    # Empty: the workspace's zone.
    timezone: Mapped[str] = mapped_column(server_default="")
    disabled_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class MemberSession(Model):
    """One sign-in of one browser. Signing out deletes the row: the cookie is worthless at once."""

    __tablename__ = "member_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)  # SHA-256 of what the cookie holds
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class SignInThrottle(Model):
    """Failed sign-ins with one e-mail address, known or not: both are treated the same."""

    __tablename__ = "sign_in_throttle"

    email_hash: Mapped[str] = mapped_column(primary_key=True)  # SHA-256 of the lower-cased address
    failures: Mapped[int]
    last_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class ApiKey(Model):
    """A product service's key. The secret is shown once; only its SHA-256 is kept."""

    __tablename__ = "api_key"

    id: Mapped[Key]
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]  # `hk_live_…9f2a`: enough to recognise, not to use
    scopes: Mapped[list[str]]
    # CIDR blocks the key may be used from; empty: anywhere.
    networks: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    test: Mapped[bool] = mapped_column(server_default=text("false"))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEntry(Model):
    """What a member (or a key, or the system) did. Append-only."""

    __tablename__ = "audit_entry"

    id: Mapped[Key]
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"), index=True)
    actor: Mapped[str]  # name as it was then
    actor_kind: Mapped[str] = mapped_column(server_default="member")  # member, key, system
    action: Mapped[str]  # `campaign.launch`
    subject: Mapped[str]  # public id, or a name
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    ip: Mapped[str | None]


class WorkspaceSetting(Model):
    """One setting of the workspace; a limit that is off is null, never 0."""

    __tablename__ = "workspace_setting"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    changed_by: Mapped[Ref | None]
