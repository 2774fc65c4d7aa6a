"""Topics: what people opt in to and out of, each with the class that decides its rules."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.audience import topics
from app.audience.models import Topic
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Conflict, Invalid

blueprint: Final = Blueprint("topics", __name__, url_prefix="/topics")

# Class -> its word and what it means.
CLASSES: Final[Mapping[str, tuple[str, str]]] = {
    "marketing": (
        "Marketing",
        "News and offers. People can opt out; caps and quiet hours hold; mail has a way out.",
    ),
    "transactional": (
        "Service",
        "What somebody's own order or account brings. Locked on the preference page; no caps.",
    ),
    "security": (
        "Security",
        "Codes and warnings. Nobody can opt out; only suppressed addresses are left out.",
    ),
}


@blueprint.get("")
@access.allow("people.find")
def index() -> Response:
    """Topics in the order people see them, in use or archived."""
    archived = request.args.get("state") == "archived"
    with transaction() as session:
        every = topics.all_topics(session, archived=True)
    return pages.page(
        "topics/index.html",
        rows=[topic for topic in every if (topic.archived_at is not None) == archived],
        archived=archived,
        classes=CLASSES,
    )


@blueprint.get("/new")
@access.allow("people.edit")
def new() -> Response:
    """The form of a new topic."""
    return _form(None, {"klass": "marketing", "opted_in_by_default": True}, {})


@blueprint.post("/new")
@access.allow("people.edit")
def create() -> AnyResponse:
    """Make a topic."""
    now = clock.now()
    fields = {**_typed(), "key": forms.text("key")}
    try:
        with transaction() as session:
            topic = topics.create(session, fields, now)
            audit.record(session, access.actor(), "topic.create", topic.key, _facts(topic), now)
    except Invalid as refused:
        return _form(None, fields, refused.by_field(), 422)
    except Conflict as taken:
        return _form(None, fields, {"key": taken.message}, 409)
    flash(f"{fields['name']} was made.", "done")
    return pages.go(url_for("topics.index"))


@blueprint.get("/<key>/edit")
@access.allow("people.edit")
def edit(key: str) -> Response:
    """The form of a topic; its key stays."""
    with transaction() as session:
        topic = topics.by_key(session, key)
        return _form(topic, _facts(topic), {})


@blueprint.post("/<key>/edit")
@access.allow("people.edit")
def change(key: str) -> AnyResponse:
    """Change name, description, class or default."""
    now = clock.now()
    fields = _typed()
    with transaction() as session:
        topic = topics.by_key(session, key)
        before = _facts(topic)
        try:
            if not fields["name"]:
                raise Invalid.one("/name", "missing", "The name is missing.")
            topics.update(session, topic, fields)
        except Invalid as refused:
            return _form(topic, fields, refused.by_field(), 422)
        changed = audit.changes(before, _facts(topic))
        if changed:
            audit.record(session, access.actor(), "topic.change", key, changed, now)
    flash("Saved.", "done")
    return pages.go(url_for("topics.index"))


@blueprint.post("/<key>/archive")
@access.allow("people.edit")
def archive(key: str) -> AnyResponse:
    """Take it out of use; what people chose is kept."""
    now = clock.now()
    with transaction() as session:
        topic = topics.by_key(session, key)
        topics.archive(session, topic, now)
        name = topic.name
        audit.record(session, access.actor(), "topic.archive", key, None, now)
    if not pages.wants_fragment():
        flash(f"{name} is archived.", "done")
        return pages.go(url_for("topics.index"))
    undo = url_for("topics.restore", key=key)
    return pages.toast(pages.page("topics/_gone.html"), f"{name} is archived.", undo_url=undo)


@blueprint.post("/<key>/restore")
@access.allow("people.edit")
def restore(key: str) -> AnyResponse:
    """Put it back into use."""
    now = clock.now()
    with transaction() as session:
        topic = topics.by_key(session, key)
        topics.restore(session, topic)
        name = topic.name
        audit.record(session, access.actor(), "topic.restore", key, None, now)
    flash(f"{name} is in use again.", "done")
    return pages.go(url_for("topics.index"))


def _typed() -> dict[str, Any]:
    return {
        "name": forms.text("name"),
        "description": forms.text("description"),
        "klass": forms.text("klass"),
        "opted_in_by_default": forms.text("default") != "out",
    }


def _facts(topic: Topic) -> dict[str, Any]:
    names = ("name", "description", "klass", "opted_in_by_default")
    return {name: getattr(topic, name) for name in names}


def _form(
    topic: Topic | None, typed: Mapping[str, Any], errors: Mapping[str, str], status: int = 200
) -> Response:
    answer = pages.page(
        "topics/form.html",
        key=topic.key if topic else None,
        title=topic.name if topic else "New topic",
        typed=typed,
        errors=errors,
        classes=CLASSES,
    )
    answer.status_code = status
    return answer
