"""A template's content: its draft, its published versions, and frozen copies for campaigns.

Published and frozen versions are immutable and known by the SHA-256 of their content.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.content import lint, lookup, shape, versions
from app.content.compile import compile_content
from app.content.models import Link, Template, TemplateVersion
from app.errors import Conflict, NotFound

EDITED_ELSEWHERE = "Somebody else changed this template in the meantime."


def current(session: Session, template: Template) -> TemplateVersion | None:
    """What the editor opens: the draft, else what is live, else nothing."""
    draft = _draft(session, template.id)
    if draft is not None or template.published_version_id is None:
        return draft
    return session.get(TemplateVersion, template.published_version_id)


def live(session: Session, template: Template) -> TemplateVersion | None:
    """The published version, if there is one."""
    if template.published_version_id is None:
        return None
    return session.get(TemplateVersion, template.published_version_id)


def revision(version: TemplateVersion | None) -> str:
    """A short word that changes with every save: what an editor must have seen to save again."""
    return f"{version.id}.{version.updated_at.timestamp():.6f}" if version else "new"


def published(session: Session, template: Template) -> Sequence[TemplateVersion]:
    """All published versions, the newest first."""
    return session.scalars(
        select(TemplateVersion)
        .where(TemplateVersion.template_id == template.id, TemplateVersion.state == "published")
        .order_by(TemplateVersion.number.desc())
        .limit(200)
    ).all()


def numbered(session: Session, template: Template, number: int) -> TemplateVersion:
    """One published version. Raises NotFound."""
    version = session.scalars(
        select(TemplateVersion).where(
            TemplateVersion.template_id == template.id, TemplateVersion.number == number
        )
    ).one_or_none()
    if version is None:
        raise NotFound(f"This template has no version {number}.")
    return version


def save(
    session: Session,
    template: Template,
    content: Mapping[str, Any],
    *,
    seen: str | None = None,
    sample_data: Any = None,
    by: int | None = None,
    now: datetime,
) -> TemplateVersion:
    """Keep this as the draft; it may still have errors in it.

    `seen` is the `revision` that the writer began from (None: whatever there is). Raises Conflict
    when somebody saved in between, Invalid when a field has the wrong shape.
    """
    cleaned = shape.clean(content)
    _lock(session, template)
    before = current(session, template)
    if seen is not None and seen != revision(before):
        raise Conflict(EDITED_ELSEWHERE)
    sample = (
        before.sample_data if sample_data is None and before else shape.clean_sample(sample_data)
    )
    draft = before if before is not None and before.state == "draft" else None
    if draft is None:
        draft = TemplateVersion(template_id=template.id, state="draft", created_at=now)
        session.add(draft)
    draft.content, draft.sample_data = cleaned, sample
    draft.created_by, draft.updated_at = by, now
    template.updated_at = now
    session.flush()
    return draft


def publish(
    session: Session,
    template: Template,
    *,
    klass: str,
    seen: str | None = None,
    by: int | None = None,
    now: datetime,
) -> TemplateVersion:
    """Make the draft the next version and use it from now on. `klass` is that of the topic.

    Raises CannotCompile with every error the lint finds, and Conflict when there is no draft, or
    when it was changed since `seen`.
    """
    _lock(session, template)
    draft = _draft(session, template.id)
    if draft is None:
        raise Conflict("There is nothing to publish: no change was made since the last version.")
    if seen is not None and seen != revision(draft):
        raise Conflict(EDITED_ELSEWHERE)
    shape.refuse(lint.check(draft.content, klass, draft.sample_data))
    last = session.scalar(
        select(func.max(TemplateVersion.number)).where(TemplateVersion.template_id == template.id)
    )
    draft.number, draft.state = (last or 0) + 1, "published"
    draft.sha256, draft.published_at, draft.created_by = digest(draft.content), now, by
    template.published_version_id, template.updated_at = draft.id, now
    session.flush()
    _keep_links(session, draft)
    lookup.changed(session, template.key)
    return draft


def discard(session: Session, template: Template, now: datetime) -> None:
    """Throw the draft away; the published version stays. Raises Conflict without a draft."""
    _lock(session, template)
    draft = _draft(session, template.id)
    if draft is None:
        raise Conflict("There is no draft to throw away.")
    session.delete(draft)
    template.updated_at = now
    session.flush()


def freeze(
    session: Session,
    content: Mapping[str, Any],
    based_on_id: int | None,
    now: datetime,
    *,
    sample_data: Mapping[str, Any] | None = None,
    by: int | None = None,
) -> int:
    """The key of an immutable version with this content: of a campaign, or one-off.

    The same content is kept once per template it is based on. Raises Invalid (CannotCompile) with
    pointers into the content (`/email/html`).
    """
    cleaned = shape.clean(content)
    sha256 = digest(cleaned)
    known = session.scalar(
        select(TemplateVersion.id)
        .where(
            TemplateVersion.sha256 == sha256,
            TemplateVersion.state == "frozen",
            TemplateVersion.based_on_id.is_not_distinct_from(based_on_id),
        )
        .limit(1)
    )
    if known is not None:
        return known
    shape.refuse(shape.require_fields(cleaned))
    version = TemplateVersion(
        based_on_id=based_on_id,
        state="frozen",
        content=cleaned,
        sample_data=dict(sample_data or {}),
        sha256=sha256,
        created_by=by,
        created_at=now,
        updated_at=now,
        published_at=now,
    )
    session.add(version)
    session.flush()
    _keep_links(session, version)
    return version.id


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content, the same however its fields are ordered."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _keep_links(session: Session, version: TemplateVersion) -> None:
    """Compile, and write down where each counted link leads. Raises CannotCompile."""
    compiled = compile_content(version.content, versions.public_url(), version_id=version.id)
    rows = [
        {
            "version_id": version.id,
            "number": link.number,
            "channel": "email",
            "url": link.url,
            "label": link.label,
        }
        for link in compiled.links
    ]
    if rows:
        session.execute(insert(Link), rows)


def _draft(session: Session, template_id: int) -> TemplateVersion | None:
    return session.scalars(
        select(TemplateVersion).where(
            TemplateVersion.template_id == template_id, TemplateVersion.state == "draft"
        )
    ).one_or_none()


def _lock(session: Session, template: Template) -> None:
    """One writer at a time, so that there is never a second draft or a number used twice."""
    session.execute(select(Template.id).where(Template.id == template.id).with_for_update())
    session.refresh(template)
