"""Segments: the list, a new one, one to look at or change, save, archive."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.audience import rules, segments
from app.audience.models import Segment
from app.campaigns import uses
from app.console import access, pages, segment_builder, segment_form
from app.console.segment_context import EVERYONE, Draft
from app.db import transaction
from app.errors import Conflict, Invalid

blueprint: Final = Blueprint("segments", __name__, url_prefix="/segments")
PAGE: Final = 50

# Where people begin when they have no rule in mind: name, what it says, rule.
EXAMPLES: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "quiet": (
        "Not seen for 30 days",
        "People who were here once and have not come back.",
        {
            "all": [
                {"field": "last_seen_at", "op": "exists"},
                {"field": "last_seen_at", "op": "not_in_last", "value": 30},
            ]
        },
    ),
    "engaged": (
        "Readers of the last month",
        "People who opened or clicked something in 30 days.",
        {
            "any": [
                {"field": "engagement", "op": "did", "event": "opened", "times": 1, "days": 30},
                {"field": "engagement", "op": "did", "event": "clicked", "times": 1, "days": 30},
            ]
        },
    ),
    "app": (
        "App users without e-mail",
        "People with a device that only push reaches.",
        {
            "all": [
                {"field": "device", "op": "has", "platform": "any"},
                {"field": "email", "op": "missing"},
            ]
        },
    ),
}


@blueprint.get("")
@access.allow("segments.view")
def index() -> Response:
    """Segments in use, or those taken out of use."""
    query = {name: request.args.get(name, "").strip()[:200] for name in ("q", "cursor")}
    archived = request.args.get("state") == "archived"
    with transaction() as session:
        found = segments.page(session, query["cursor"] or None, PAGE, query["q"], archived)
        sentences = rules.describe_all(session, [segment.rule for segment in found.items])
        used = uses.of_segments(session, [segment.id for segment in found.items])
    return pages.page(
        "segments/index.html",
        "segments/_results.html",
        rows=[
            {
                "segment": segment,
                "id": ids.encode("seg", segment.id),
                "sentence": sentence,
                "used": used.get(segment.id, 0),
            }
            for segment, sentence in zip(found.items, sentences, strict=True)
        ],
        query=query,
        archived=archived,
        following=found.next_cursor,
        examples=EXAMPLES,
    )


@blueprint.get("/new")
@access.allow("segments.edit")
def new() -> Response:
    """The builder with an empty rule, or with the rule of an example."""
    name, description, rule = EXAMPLES.get(request.args.get("start", ""), ("", "", EVERYONE))
    draft = Draft(segment_form.from_rule(rule), name, description)
    with transaction() as session:
        return segment_builder.whole_page(session, draft, counted=False)


@blueprint.post("/new")
@access.allow("segments.edit")
def create() -> AnyResponse:
    """Save a new segment and count its people."""
    now = clock.now()
    with transaction() as session:
        draft = segment_builder.posted(session)
        try:
            segment = segments.create(session, _fields(draft), current_user.id, now)
        except Invalid as refused:
            return segment_builder.whole_page(session, _refused(draft, refused), status=422)
        people = segments.recount(session, segment, now)
        audit.record(session, access.actor(), "segment.create", segment.name, None, now)
        public_id = ids.encode("seg", segment.id)
    flash(f"Saved. {_change(None, people)}", "done")
    return pages.go(url_for("segments.show", public_id=public_id))


@blueprint.get("/<public_id>")
@access.allow("segments.view")
def show(public_id: str) -> Response:
    """The builder of a segment; its rule in words for those who may only look."""
    with transaction() as session:
        segment = segments.by_public_id(session, public_id)
        tree = segment_form.from_rule(segment.rule)
        draft = Draft(tree, segment.name, segment.description, segment)
        return segment_builder.whole_page(session, draft, counted=False)


@blueprint.post("/<public_id>")
@access.allow("segments.edit")
def update(public_id: str) -> AnyResponse:
    """Save changes and say what they did to the number of people."""
    now = clock.now()
    with transaction() as session:
        segment = segments.by_public_id(session, public_id)
        before, people_before = _facts(segment), segment.people
        sent = segment_builder.posted(session)
        draft = Draft(sent.tree, sent.name, sent.description, segment)
        try:
            segments.update(session, segment, _fields(draft), now)
        except Invalid as refused:
            return segment_builder.whole_page(session, _refused(draft, refused), status=422)
        people = segments.recount(session, segment, now)
        changed = audit.changes(before, _facts(segment))
        if changed:
            audit.record(session, access.actor(), "segment.change", segment.name, changed, now)
    flash(f"Saved. {_change(people_before, people)}", "done")
    return pages.go(url_for("segments.show", public_id=public_id))


@blueprint.post("/<public_id>/archive")
@access.allow("segments.edit")
def archive(public_id: str) -> AnyResponse:
    """Take it out of use; refused while another segment or a waiting campaign needs it."""
    now = clock.now()
    with transaction() as session:
        segment = segments.by_public_id(session, public_id)
        waiting = uses.choosing(session, segment.id, 1)
        if waiting:
            words = f"The campaign {waiting[0].name!r} still needs it. Change that one first."
            raise Conflict(words)
        segments.archive(session, segment, now)
        audit.record(session, access.actor(), "segment.archive", segment.name, None, now)
    flash(f"{segment.name} is archived. You find it under Archived.", "done")
    return pages.go(url_for("segments.index"))


@blueprint.post("/<public_id>/restore")
@access.allow("segments.edit")
def restore(public_id: str) -> AnyResponse:
    """Put it back into use."""
    now = clock.now()
    with transaction() as session:
        segment = segments.by_public_id(session, public_id)
        segments.restore(session, segment)
        audit.record(session, access.actor(), "segment.restore", segment.name, None, now)
    flash(f"{segment.name} is in use again.", "done")
    return pages.go(url_for("segments.show", public_id=public_id))


def _fields(draft: Draft) -> dict[str, Any]:
    rule = segment_form.to_rule(draft.tree)
    return {"name": draft.name, "description": draft.description, "rule": rule}


def _refused(draft: Draft, refused: Invalid) -> Draft:
    """The same draft with what is wrong; mistakes in rows are told beside the rows as well."""
    found = refused.by_field()
    errors = {name: words for name, words in found.items() if not name.startswith("rule")}
    below = [words for name, words in found.items() if name.startswith("rule")]
    if below:
        errors["rule"] = below[0]
    return Draft(draft.tree, draft.name, draft.description, draft.segment, errors)


def _facts(segment: Segment) -> dict[str, Any]:
    return {name: getattr(segment, name) for name in ("name", "description", "rule")}


def _change(before: int | None, people: int) -> str:
    """How many people are in it now, and how many more or fewer than before."""
    now = "One person is in it now" if people == 1 else f"{people:,} people are in it now"
    if before is None or before == people:
        return f"{now}."
    return f"{now}, {abs(people - before):,} {'more' if people > before else 'fewer'} than before."
