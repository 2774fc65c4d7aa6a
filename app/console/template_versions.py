"""Versions of a template: what was published when, what changed, and going back to one."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, flash, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit, members
from app.console import access, content_form, content_stage, pages, words
from app.console.templates import find
from app.content import drafts
from app.content.compile import fields_of
from app.content.models import TemplateVersion
from app.db import transaction

blueprint: Final = Blueprint("template_versions", __name__, url_prefix="/templates")

_FIELDS: Final = {"html": "HTML", "preheader": "preview text", "body": "message"}
_AROUND = 2
_MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class Changed:
    """One field that differs: lines with `+`, `-`, a space, or `…` for a gap."""

    where: str
    lines: list[tuple[str, str]]


@blueprint.get("/<public_id>/versions")
@access.allow("templates.view")
def versions(public_id: str) -> Response:
    """The newest version beside the list, with the draft on top if there is one."""
    return _page(public_id, None)


@blueprint.get("/<public_id>/versions/<int:number>")
@access.allow("templates.view")
def version(public_id: str, number: int) -> Response:
    """One published version and what it changed; 0 is the draft."""
    return _page(public_id, number)


@blueprint.post("/<public_id>/versions/<int:number>/restore")
@access.allow("templates.edit")
def restore_version(public_id: str, number: int) -> AnyResponse:
    """Make an old version's content the draft; nothing is sent with it until it is published."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        old = drafts.numbered(session, template, number)
        drafts.save(
            session,
            template,
            old.content,
            sample_data=old.sample_data,
            by=current_user.id,
            now=now,
        )
        detail = {"version": number}
        audit.record(session, access.actor(), "template.restore", template.name, detail, now)
    flash(f"The draft now has the content of version {number}.", "done")
    return pages.go(url_for("template_editor.show", public_id=public_id))


def _page(public_id: str, number: int | None) -> Response:
    with transaction() as session:
        template = find(session, public_id)
        rows = list(drafts.published(session, template))
        current = drafts.current(session, template)
        if current is not None and current.state == "draft":
            rows.insert(0, current)
        chosen = _chosen(rows, number)
        before = _before(rows, chosen)
        writers = members.names(session, {row.created_by for row in rows if row.created_by})
        if number and chosen is None:
            drafts.numbered(session, template, number)
    return pages.page(
        "templates/versions.html",
        public_id=public_id,
        tpl=template,
        rows=rows,
        chosen=chosen,
        before=before,
        writers=writers,
        live_id=template.published_version_id,
        changes=list(compare(before.content if before else {}, chosen.content if chosen else {})),
        sample=content_form.write_sample(chosen.sample_data if chosen else {}),
        look=content_stage.Look(),
    )


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Changed]:
    """The fields that differ between two contents, line by line."""
    old = {(channel, field): text for channel, field, text in fields_of(before)}
    new = {(channel, field): text for channel, field, text in fields_of(after)}
    for key in dict.fromkeys([*new, *old]):
        if old.get(key) != new.get(key):
            channel, field = key
            where = f"{words.channel(channel).label}, {_FIELDS.get(field, field)}"
            yield Changed(where, _lines(old.get(key, ""), new.get(key, "")))


def _lines(old: str, new: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    pairs = difflib.unified_diff(old.splitlines(), new.splitlines(), n=_AROUND, lineterm="")
    for line in list(pairs)[2 : _MOST_LINES + 2]:
        if line.startswith("@@"):
            if found:
                found.append(("…", ""))
        else:
            found.append((line[0], line[1:]))
    return found


def _chosen(rows: list[TemplateVersion], number: int | None) -> TemplateVersion | None:
    if number is None:
        return rows[0] if rows else None
    return next((row for row in rows if (row.number or 0) == number), None)


def _before(rows: list[TemplateVersion], chosen: TemplateVersion | None) -> TemplateVersion | None:
    """The version published before this one: rows are the newest first."""
    if chosen is None:
        return None
    following = rows[rows.index(chosen) + 1 :]
    return following[0] if following else None
