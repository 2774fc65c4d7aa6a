"""The live parts of the segment builder: the tree after a change, the count, values, one person.

All of them read the rule from the form, so nothing is kept between requests. Without scripts the
same buttons post to the same addresses and get the whole page.
"""

from typing import Final

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from app import clock
from app.audience import rule_values, segments
from app.console import access, forms, pages, segment_context, segment_edits, segment_form
from app.console.segment_context import Draft
from app.db import transaction

blueprint: Final = Blueprint("segment_builder", __name__, url_prefix="/segments")
SUGGESTED: Final = 20


@blueprint.post("/_tree")
@access.allow("segments.view")
def tree() -> Response:
    """The tree after a button was pressed or something was chosen."""
    with transaction() as session:
        draft = posted(session)
        changed, focus = segment_edits.apply(draft.tree, forms.text("act"))
        focus = focus or _being_added()
        draft = Draft(changed, draft.name, draft.description, draft.segment)
        if not pages.wants_fragment():
            return whole_page(session, draft, focus)
        context = segment_context.tree(session, draft, focus)
        response = pages.page("segments/_changed.html", **context)
    return pages.trigger(response, tree_changed={})


@blueprint.post("/_count")
@access.allow("segments.view")
def count() -> Response:
    """How many people match now, and who."""
    with transaction() as session:
        context = segment_context.count(session, posted(session).tree, clock.now())
    return pages.fragment("segments/_counted.html", url_for("segments.index"), count=context)


@blueprint.post("/_member")
@access.allow("people.find")
def member() -> Response:
    """Is this person in?"""
    with transaction() as session:
        draft = posted(session)
        answer = segment_context.member(session, draft.tree, forms.text("who"), clock.now())
    return pages.fragment("segments/_member.html", url_for("segments.index"), answer=answer)


@blueprint.get("/_values")
@access.allow("segments.edit")
def values() -> Response:
    """Values that people have, for the list below a field."""
    name = request.args.get("field", "")[:200]
    typed = request.args.get(request.args.get("of", ""), "")[:100]
    with transaction() as session:
        found = rule_values.values(session, name, typed, SUGGESTED)
    return pages.fragment("segments/_values.html", url_for("segments.index"), found=found)


def posted(session: Session) -> Draft:
    """What the builder's form holds. Raises NotFound."""
    public_id = forms.text("segment")
    segment = segments.by_public_id(session, public_id) if public_id else None
    tree = segment_form.read(request.form)
    return Draft(tree, forms.text("name"), forms.text("description"), segment)


def whole_page(
    session: Session, draft: Draft, focus: str = "", counted: bool = True, status: int = 200
) -> Response:
    """The builder as a page. `counted`: with numbers at once, for browsers without scripts."""
    now = clock.now()
    who = forms.text("who") if access.may("people.find") else ""
    response = pages.page(
        "segments/builder.html",
        **segment_context.tree(session, draft, focus),
        used=segment_context.used(session, draft.segment),
        count=segment_context.count(session, draft.tree, now) if counted else None,
        answer=segment_context.member(session, draft.tree, who, now),
        hidden=segment_form.fields(draft.tree),
    )
    response.status_code = status
    return response


def _being_added() -> str:
    """The field that has just put another value into a list."""
    added = (name for name, value in request.form.items() if name.endswith(".add") and value)
    return next(added, "")
