"""Templates: the list, a new one, and what is done with one as a whole."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.audience import topics
from app.campaigns import uses
from app.console import access, forms, pages
from app.content import drafts, starters, templates
from app.content.models import Template
from app.db import transaction
from app.errors import Conflict, Invalid

blueprint: Final = Blueprint("templates", __name__, url_prefix="/templates")
PAGE: Final = 50


@blueprint.get("")
@access.allow("templates.view")
def index() -> Response:
    """Templates in use, or those taken out of use."""
    query = {name: request.args.get(name, "").strip()[:200] for name in ("q", "topic", "cursor")}
    archived = request.args.get("state") == "archived"
    with transaction() as session:
        known = {topic.id: topic for topic in topics.all_topics(session, archived=True)}
        chosen = next((t for t in known.values() if t.key == query["topic"]), None)
        found = templates.list_(
            session,
            query=query["q"],
            topic_id=chosen.id if chosen else None,
            archived=archived,
            cursor=query["cursor"],
            limit=PAGE,
        )
        used = uses.of_templates(session, [item.template.id for item in found.items])
    return pages.page(
        "templates/index.html",
        "templates/_results.html",
        rows=[
            {
                "item": item,
                "id": ids.encode("tpl", item.template.id),
                "topic": known[item.template.topic_id],
                "used": used.get(item.template.id, 0),
            }
            for item in found.items
        ],
        query=query,
        topic=chosen,
        topic_options=[
            (topic.key, topic.name) for topic in known.values() if topic.archived_at is None
        ],
        archived=archived,
        following=found.next_cursor,
        state="archived" if archived else None,
    )


@blueprint.get("/new")
@access.allow("templates.edit")
def new() -> Response:
    """The form of a new template."""
    with transaction() as session:
        return _new_page(session)


@blueprint.post("/new")
@access.allow("templates.edit")
def create() -> AnyResponse:
    """Make it, with the chosen beginning as its draft, and open the editor."""
    now = clock.now()
    name = forms.text("name")
    key = forms.text("key") or templates.suggest_key(name)
    with transaction() as session:
        try:
            template = templates.create(
                session,
                key=key,
                name=name,
                topic_id=_topic(session),
                description=forms.text("description"),
                by=current_user.id,
                now=now,
            )
        except (Invalid, Conflict) as refused:
            return _new_page(session, _errors(refused), status=_status(refused))
        content = starters.content(forms.text("start"), template.name)
        if content:
            drafts.save(session, template, content, by=current_user.id, now=now)
        audit.record(session, access.actor(), "template.create", template.name, {"key": key}, now)
    return pages.go(url_for("template_editor.show", public_id=ids.encode("tpl", template.id)))


@blueprint.post("/<public_id>/details")
@access.allow("templates.edit")
def details(public_id: str) -> AnyResponse:
    """Change name, key, topic or description."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        before = _facts(template)
        try:
            templates.update(
                session,
                template,
                key=forms.text("key"),
                name=forms.text("name"),
                topic_id=_topic(session),
                description=forms.text("description"),
                now=now,
            )
        except (Invalid, Conflict) as refused:
            response = pages.page("templates/_details_errors.html", errors=_errors(refused))
            response.status_code = _status(refused)
            return response
        changed = audit.changes(before, _facts(template))
        if changed:
            audit.record(session, access.actor(), "template.change", template.name, changed, now)
    flash("Saved.", "done")
    return pages.go(url_for("template_editor.show", public_id=public_id))


@blueprint.post("/<public_id>/duplicate")
@access.allow("templates.edit")
def duplicate(public_id: str) -> AnyResponse:
    """A copy, opened."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        copy = templates.duplicate(session, template, by=current_user.id, now=now)
        detail = {"copy of": template.key}
        audit.record(session, access.actor(), "template.create", copy.name, detail, now)
    flash(f"Copied to {copy.name}.", "done")
    return pages.go(url_for("template_editor.show", public_id=ids.encode("tpl", copy.id)))


@blueprint.post("/<public_id>/archive")
@access.allow("templates.edit")
def archive(public_id: str) -> AnyResponse:
    """Take it out of use; the toast offers to undo it."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        templates.archive(session, template, now)
        audit.record(session, access.actor(), "template.archive", template.name, None, now)
    undo = url_for("templates.restore", public_id=public_id)
    if not pages.wants_fragment():
        flash(f"{template.name} is archived.", "done")
        return pages.go(url_for("templates.index"))
    return pages.toast(_gone(), f"{template.name} is archived.", undo_url=undo)


@blueprint.post("/<public_id>/restore")
@access.allow("templates.edit")
def restore(public_id: str) -> AnyResponse:
    """Put it back into use."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        templates.restore(session, template)
        audit.record(session, access.actor(), "template.restore", template.name, None, now)
    flash(f"{template.name} is in use again.", "done")
    return pages.go(url_for("templates.index"))


def find(session: Session, public_id: str) -> Template:
    """The template of an address. Raises NotFound."""
    return templates.get(session, ids.decode("tpl", public_id))


def _gone() -> Response:
    """An empty answer that takes a row out of the list."""
    return pages.page("templates/_gone.html")


def _new_page(
    session: Session, errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    response = pages.page(
        "templates/new.html",
        topic_options=[
            (topic.key, f"{topic.name} ({topic.klass})") for topic in topics.all_topics(session)
        ],
        starters=starters.STARTERS,
        errors=errors or {},
        typed=request.form,
    )
    response.status_code = status
    return response


def _topic(session: Session) -> int:
    chosen = forms.text("topic")
    found = topics.facts(session).get(chosen)
    if found is None:
        raise Invalid.one("/topic", "unknown_topic", "Choose a topic; it decides who gets this.")
    return found.id


def _errors(refused: Invalid | Conflict) -> Mapping[str, str]:
    return refused.by_field() if isinstance(refused, Invalid) else {"key": refused.message}


def _status(refused: Invalid | Conflict) -> int:
    return 422 if isinstance(refused, Invalid) else 409


def _facts(template: Template) -> dict[str, Any]:
    names = ("name", "key", "description", "topic_id")
    return {name: getattr(template, name) for name in names}
