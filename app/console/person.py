"""One person: who they are, where they can be reached, what they chose, what they were sent."""

from typing import Any

import orjson
from flask import Blueprint, Response, request, url_for

from app import clock, ids
from app.accounts import audit
from app.audience import consent, contacts, membership
from app.audience.models import CHANNELS
from app.console import (
    access,
    message_filters,
    pages,
    person_acts,
    person_history,
    person_page,
)
from app.console.filters import iso
from app.db import transaction
from app.sending import by_hand
from app.tracking import person_data

blueprint = Blueprint("person", __name__, url_prefix="/people")


@blueprint.get("/<public_id>")
@access.allow("people.find")
def show(public_id: str) -> Response:
    """The person's page; filters of the history are in its URL."""
    now = clock.now()
    with transaction() as session:
        found = person_page.load(session, public_id, now)
        history = person_history.load(session, found.contact.id)
        templates = by_hand.choices(session) if access.may("people.suppress") else []
    return pages.page(
        "people/person.html",
        "people/_history.html",
        person=found,
        history=history,
        templates=templates,
        typed=person_acts.confirmation(found.contact),
        errors={},
        **_words(public_id),
    )


@blueprint.get("/<public_id>/history")
@access.allow("people.find")
def history(public_id: str) -> Response:
    """More of the history, appended to what is there; without htmx the page from there on."""
    asked: dict[str, Any] = request.args.to_dict()
    home = url_for("person.show", **{**asked, "public_id": public_id})
    with transaction() as session:
        contact = contacts.by_public_id(session, public_id)
        more = person_history.load(session, contact.id)
    return pages.fragment("people/_history_more.html", home, history=more)


@blueprint.get("/<public_id>/_segments")
@access.allow("segments.view")
def segments(public_id: str) -> Response:
    """The segments this person is in, worked out now."""
    now = clock.now()
    with transaction() as session:
        contact = contacts.by_public_id(session, public_id)
        found = membership.segments_of(session, contact.id, now)
    home = url_for("person.show", public_id=public_id)
    return pages.fragment("people/_segments.html", home, segments=found, public=ids.encode)


@blueprint.get("/<public_id>/_ledger")
@access.allow("people.find")
def ledger(public_id: str) -> Response:
    """More of the consent ledger."""
    now = clock.now()
    with transaction() as session:
        found = person_page.load(session, public_id, now)
        more = consent.history(session, found.contact.id, request.args.get("cursor"), 25)
    home = url_for("person.show", public_id=public_id)
    return pages.fragment(
        "people/_ledger_more.html",
        home,
        person=found,
        entries=more.items,
        more=more.next_cursor,
        **_words(public_id),
    )


@blueprint.get("/<public_id>/data.json")
@access.allow("people.edit")
def export(public_id: str) -> Response:
    """All that is kept about this person, to hand over to them."""
    now = clock.now()
    with transaction() as session:
        contact = contacts.by_public_id(session, public_id)
        document = person_data.everything(session, contact, now)
        audit.record(session, access.actor(), "contact.export", public_id, None, now)
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
    answer = Response(orjson.dumps(document, default=iso, option=options))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="{public_id}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _words(public_id: str) -> dict[str, Any]:
    return {
        "channels": CHANNELS,
        "statuses": message_filters.STATUSES,
        "sources": person_page.SOURCES,
        "here": url_for("person.show", public_id=public_id),
    }
