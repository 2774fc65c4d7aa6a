"""Tables of templates, their versions and the links in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Key, Model, Ref


class Template(Model):
    """Content per channel under a key that the API uses; its topic decides the class."""

    __tablename__ = "template"

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    topic_id: Mapped[int] = mapped_column(ForeignKey("topic.id"))
    published_version_id: Mapped[Ref | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    archived_at: Mapped[datetime | None]


class TemplateVersion(Model):
    """One content: a template's draft or published version, a campaign's own, or one-off.

    `content` is `{"email": {"subject", "preheader", "html", "text"}, "sms": {"body"},
    "ios": {"title", "subtitle", "body", "image", "url", "data"}, "android": {…}}`, only the
    channels there are. Immutable once `published` or `frozen`: content-addressed by `sha256`.
    """

    __tablename__ = "template_version"
    __table_args__ = (
        CheckConstraint("state in ('draft', 'published', 'frozen')", name="state"),
        UniqueConstraint("template_id", "number"),
        Index("ix_template_version_sha256", "sha256"),
    )

    id: Mapped[Key]
    # Null: content of a campaign, a test, or one-off content of an API call.
    template_id: Mapped[int | None] = mapped_column(ForeignKey("template.id"))
    # The template that a campaign's own content began as.
    based_on_id: Mapped[Ref | None]
    number: Mapped[int | None]
    state: Mapped[str]
    content: Mapped[dict[str, Any]]
    # For the preview and the test send: values for variables that no person has.
    sample_data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    sha256: Mapped[str | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    published_at: Mapped[datetime | None]


class Link(Model):
    """A target that links of a version lead to: `/c/<token>/<number>` is looked up here."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("version_id", "number"),)

    id: Mapped[Key]
    version_id: Mapped[int] = mapped_column(ForeignKey("template_version.id", ondelete="CASCADE"))
    number: Mapped[int]
    channel: Mapped[str]
    url: Mapped[str]
    label: Mapped[str] = mapped_column(server_default="")
