"""Templates: find, list, create, describe, copy, archive. What is in them is `content.drafts`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, aliased

from app import paging
from app.content import lookup
from app.content.compile import CHANNELS
from app.content.drafts import freeze
from app.content.models import Template, TemplateVersion
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.paging import Page

__all__ = ["archive", "by_key", "create", "duplicate", "freeze", "get", "list_", "restore"]

_KEY: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST_KEY: Final = 64
_LONGEST_NAME: Final = 120
_LONGEST_DESCRIPTION: Final = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A template as lists show it. `channels` are those of the draft, else of what is live."""

    template: Template
    channels: tuple[str, ...]
    live_number: int | None
    has_draft: bool


def get(session: Session, template_id: int | None) -> Template:
    """The template, archived or not. Raises NotFound."""
    template = session.get(Template, template_id) if template_id is not None else None
    if template is None:
        raise NotFound("There is no such template.")
    return template


def by_key(session: Session, key: str) -> Template:
    """The template with this key, archived or not. Raises NotFound."""
    template = session.scalars(select(Template).where(Template.key == key)).one_or_none()
    if template is None:
        raise NotFound(f"There is no template with the key {key[:_LONGEST_KEY]!r}.")
    return template


def create(
    session: Session,
    *,
    key: str,
    name: str,
    topic_id: int,
    description: str = "",
    by: int | None = None,
    now: datetime,
) -> Template:
    """A new template without content. Raises Invalid; Conflict when the key is taken."""
    _check_words(key, name, description)
    _check_free(session, key)
    template = Template(
        key=key,
        name=name.strip(),
        description=description.strip(),
        topic_id=topic_id,
        created_by=by,
        created_at=now,
        updated_at=now,
    )
    session.add(template)
    session.flush()
    return template


def update(
    session: Session,
    template: Template,
    *,
    key: str,
    name: str,
    topic_id: int,
    description: str,
    now: datetime,
) -> None:
    """Change how the template is called and which topic it belongs to."""
    _check_words(key, name, description)
    if key != template.key:
        _check_free(session, key)
        lookup.changed(session, template.key)
    template.key, template.name = key, name.strip()
    template.description, template.topic_id = description.strip(), topic_id
    template.updated_at = now
    session.flush()
    lookup.changed(session, key)


def list_(
    session: Session,
    *,
    query: str = "",
    topic_id: int | None = None,
    archived: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Listed]:
    """Templates, the newest first, whose name, key or description holds every word of `query`."""
    chosen = _listed().where(
        Template.archived_at.is_not(None) if archived else Template.archived_at.is_(None)
    )
    for word in query.split()[:6]:
        chosen = chosen.where(
            or_(
                Template.name.icontains(word, autoescape=True),
                Template.key.icontains(word, autoescape=True),
                Template.description.icontains(word, autoescape=True),
            )
        )
    if topic_id is not None:
        chosen = chosen.where(Template.topic_id == topic_id)
    after = paging.decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(Template.id < after)
    rows = session.execute(chosen.order_by(Template.id.desc()).limit(limit + 1)).all()
    items = [_one(row) for row in rows]
    return paging.cut(items, limit, lambda item: item.template.id)


def describe(session: Session, template: Template) -> Listed:
    """One template as a list shows it."""
    return _one(session.execute(_listed().where(Template.id == template.id)).one())


def duplicate(
    session: Session, template: Template, *, by: int | None = None, now: datetime
) -> Template:
    """A copy with the newest content as its draft; the key gets `-copy`, then `-copy-2`."""
    key = _free_copy(session, template.key)
    copy = create(
        session,
        key=key,
        name=f"{template.name} (copy)"[:_LONGEST_NAME],
        topic_id=template.topic_id,
        description=template.description,
        by=by,
        now=now,
    )
    source = session.scalars(
        select(TemplateVersion)
        .where(TemplateVersion.template_id == template.id)
        .order_by(TemplateVersion.number.desc().nulls_first())
        .limit(1)
    ).one_or_none()
    if source is not None:
        draft = TemplateVersion(
            template_id=copy.id,
            based_on_id=template.id,
            state="draft",
            content=source.content,
            sample_data=source.sample_data,
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        session.add(draft)
        session.flush()
    return copy


def archive(session: Session, template: Template, now: datetime) -> None:
    """Take it out of use: nothing new can be sent with it; what was sent stays readable."""
    template.archived_at = template.archived_at or now
    session.flush()
    lookup.changed(session, template.key)


def restore(session: Session, template: Template) -> None:
    """Put it back into use."""
    template.archived_at = None
    session.flush()
    lookup.changed(session, template.key)


def suggest_key(name: str) -> str:
    """`Order shipped!` -> `order-shipped`."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    key = "-".join(words).lstrip("0123456789-")
    return key[:_LONGEST_KEY].rstrip("-")


def _check_words(key: str, name: str, description: str) -> None:
    problems = []
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        message = (
            "A key begins with a letter and has only small letters, digits and single hyphens "
            f"between them, at most {_LONGEST_KEY} characters: order-shipped."
        )
        problems.append(FieldError("/key", "invalid_key", message))
    if not name.strip() or len(name) > _LONGEST_NAME:
        message = f"Give the template a name of at most {_LONGEST_NAME} characters."
        problems.append(FieldError("/name", "invalid_name", message))
    if len(description) > _LONGEST_DESCRIPTION:
        message = f"Keep the description under {_LONGEST_DESCRIPTION} characters."
        problems.append(FieldError("/description", "too_long", message))
    if any("\x00" in text for text in (name, description)):
        message = "A NUL character cannot be stored."
        problems.append(FieldError("/name", "invalid_character", message))
    if problems:
        raise Invalid(problems)


def _check_free(session: Session, key: str) -> None:
    if session.scalar(select(Template.id).where(Template.key == key)) is not None:
        raise Conflict(f"There is already a template with the key {key}.")


def _free_copy(session: Session, key: str) -> str:
    stem = f"{key[: _LONGEST_KEY - 9].rstrip('-')}-copy"
    taken = set(session.scalars(select(Template.key).where(Template.key.startswith(stem))))
    if stem not in taken:
        return stem
    return next(name for n in range(2, len(taken) + 3) if (name := f"{stem}-{n}") not in taken)


def _listed() -> Select[Any]:
    """Template, live version's number, draft's id, and per channel whether the newest has it."""
    live, draft = aliased(TemplateVersion), aliased(TemplateVersion)
    has: Sequence[Any] = [
        or_(
            draft.content.has_key(channel),
            draft.id.is_(None) & live.content.has_key(channel),
        ).label(f"has_{channel}")
        for channel in CHANNELS
    ]
    return (
        select(Template, live.number, draft.id, *has)
        .outerjoin(live, live.id == Template.published_version_id)
        .outerjoin(draft, (draft.template_id == Template.id) & (draft.state == "draft"))
    )


def _one(row: Any) -> Listed:
    template, number, draft_id, *has = row
    channels = tuple(name for name, there in zip(CHANNELS, has, strict=True) if there)
    return Listed(template, channels, number, draft_id is not None)
