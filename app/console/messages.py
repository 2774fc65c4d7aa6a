"""Messages: the list with its filters, and the page of one with its verdict."""

from typing import Any, Final

from flask import Blueprint, Response, abort, flash, request, url_for
from markupsafe import escape
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.console import (
    access,
    content_stage,
    forms,
    message_content,
    message_filters,
    message_page,
    message_rows,
    pages,
)
from app.db import transaction
from app.errors import Invalid
from app.sending import control, dead_letters, queries
from app.sending.vocabulary import PROVIDERS

blueprint = Blueprint("messages", __name__, url_prefix="/messages")
PAGE: Final = 50
POLLS: Final = 40  # every 3 s: two minutes


@blueprint.get("")
@access.allow("messages.find")
def index() -> Response:
    """Messages, newest first, narrowed by the filters in the URL."""
    now = clock.now()
    asked = message_filters.read()
    cursor = request.args.get("cursor")
    with transaction() as session:
        narrowed = message_filters.narrow(session, asked, now)
        found = queries.search(session, narrowed, cursor, PAGE)
        rows = message_rows.rows(session, found.items)
        campaign = message_filters.campaign_name(session, asked)
    return pages.page(
        "messages/index.html",
        "messages/_results.html",
        rows=rows,
        asked=asked,
        campaign=campaign,
        dates=message_filters.dates(asked),
        spans=message_filters.SPANS,
        channels=message_filters.CHANNELS,
        statuses=message_filters.STATUSES,
        origins=message_filters.ORIGINS,
        providers={name: _carrier(name) for name in PROVIDERS},
        newest=asked.url() if cursor else None,
        older=asked.url(cursor=found.next_cursor) if found.next_cursor else None,
    )


@blueprint.get("/<public_id>")
@access.allow("messages.find")
def show(public_id: str) -> Response:
    """One message."""
    return pages.page("messages/show.html", **_context(public_id))


@blueprint.get("/<public_id>/_events")
@access.allow("messages.find")
def events(public_id: str) -> Response:
    """What happened, again, while something may still come."""
    home = url_for("messages.show", public_id=public_id)
    polled = request.args.get("n", 0, int)
    context = _context(public_id, polled=polled + 1)
    return pages.fragment("messages/_events.html", home, fresh=True, **context)


@blueprint.get("/<public_id>/_content")
@access.allow("messages.content")
def content(public_id: str) -> Response:
    """The e-mail itself, for the sandboxed frame."""
    now = clock.now()
    with transaction() as session:
        message = queries.by_public_id(session, public_id)
        found = message_content.load(session, message, now)
    if found.email is None:
        abort(404)
    return pages.sandboxed(found.email.html or f"<pre>{escape(found.email.text)}</pre>")


@blueprint.post("/<public_id>/reason")
@access.allow("messages.content")
def give_reason(public_id: str) -> AnyResponse:
    """Say why the content must be read; it is open for an hour then."""
    now = clock.now()
    with transaction() as session:
        message = queries.by_public_id(session, public_id)
        try:
            message_content.give_reason(
                session, message, forms.text("reason"), forms.text("note"), now
            )
        except Invalid as refused:
            answer = pages.page("messages/_reason.html", errors=refused.by_field())
            return forms.refused(answer, "#reason-fields")
    return pages.go(url_for("messages.show", public_id=public_id))


@blueprint.post("/<public_id>/cancel")
@access.allow("messages.act")
def cancel(public_id: str) -> AnyResponse:
    """Do not send a message that waits."""
    now = clock.now()
    with transaction() as session:
        message = queries.by_public_id(session, public_id)
        control.cancel(session, message.id, now)
        audit.record(session, access.actor(), "message.cancel", public_id, None, now)
    flash("Cancelled. It will not be sent.", "done")
    return pages.go(url_for("messages.show", public_id=public_id))


@blueprint.post("/<public_id>/retry")
@access.allow("queues.act")
def retry(public_id: str) -> AnyResponse:
    """Put a dead letter back into work."""
    now = clock.now()
    with transaction() as session:
        message = queries.by_public_id(session, public_id)
        retried = (
            dead_letters.may_be_retried(message) and control.retry(session, [message.id], now) > 0
        )
        if retried:
            audit.record(session, access.actor(), "message.retry", public_id, None, now)
    if retried:
        flash("It is tried again.", "done")
    else:
        flash("There is nothing to try again: it was not given up.", "failed")
    return pages.go(url_for("messages.show", public_id=public_id))


@blueprint.post("/<public_id>/again")
@access.allow("messages.act")
def send_again(public_id: str) -> AnyResponse:
    """A new message with the same content to the same address."""
    now = clock.now()
    with transaction() as session:
        message = queries.by_public_id(session, public_id)
        made = ids.encode("ntf", control.send_again(session, message.id, now))
        audit.record(session, access.actor(), "message.send", made, {"again": public_id}, now)
    flash("A new message was made. This is its page.", "done")
    return pages.go(url_for("messages.show", public_id=made))


def _context(public_id: str, polled: int = 0) -> dict[str, Any]:
    now = clock.now()
    with transaction() as session:
        found = message_page.load(session, public_id, now)
        said = message_content.load(session, found.message, now)
    live = found.live and polled < POLLS
    return {
        "page": found,
        "content": said,
        "kind": message_page.kind_of(found.topic),
        "as_json": request.args.get("view") == "json",
        "poll": url_for("messages.events", public_id=public_id, n=polled) if live else None,
        "reasons": message_content.REASONS,
        "errors": {},
        "linked": content_stage.linked,
        "public": ids.encode,
        "provider_name": _carrier,
    }


def _carrier(name: str) -> str:
    """What a provider is called where no sentence begins with it."""
    return PROVIDERS.get(name, name).replace("The m", "M")
