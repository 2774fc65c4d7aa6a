"""Dead letters: what was given up, by cause; look, retry, discard."""

from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids, jobs
from app.accounts import audit
from app.console import access, filters, forms, message_rows, pages, words
from app.db import transaction
from app.errors import Invalid, NotFound
from app.paging import decode_cursor, encode_cursor
from app.sending import dead_letters
from app.sending.dead_letters import Cause, Group
from app.sending.vocabulary import provider_name

blueprint = Blueprint("dead_letters", __name__, url_prefix="/dead-letters")
PAGE: Final = 50
_NEXT: Final = {
    "rejected": "The provider refused the message itself. Mend what it complains about, the "
    "sender or the address, then retry.",
    "gave_up": "The provider could not take it for as long as we tried. Retry once it works again.",
    "no_answer": "Nothing shows whether it went out. A retry may reach people a second time.",
    "poison": "It stopped three workers. Find out why in their log before you retry.",
    "template_error": "A value was missing for these people. Fill it in, then retry; the content "
    "stays as it was.",
}


@blueprint.get("")
@access.allow("queues.view")
def index() -> Response:
    """What was given up, by cause."""
    with transaction() as session:
        groups = dead_letters.groups(session)
    total = sum(group.messages for group in groups)
    return pages.page(
        "dead_letters/index.html",
        "dead_letters/_groups.html",
        groups=[row(group) for group in groups],
        total=total,
        cut_off=total >= dead_letters.LOOKED_AT,
    )


@blueprint.post("/_bulk")
@access.allow("queues.act")
def retry_causes() -> AnyResponse:
    """Retry everything of the selected causes."""
    causes = [cause for key in request.form.getlist("id") if (cause := dead_letters.parse(key))]
    if not causes:
        raise Invalid.one("/id", "missing", "Select the causes to retry.")
    with transaction() as session:
        by_key = {group.cause.key: group for group in dead_letters.groups(session)}
        chosen = [by_key[cause.key] for cause in causes if cause.key in by_key]
        for group in chosen:
            _begin(session, group, "retry")
    count = sum(group.messages for group in chosen)
    flash(f"Retrying {filters.plural(count, 'message')}.", "done")
    return pages.go(url_for("dead_letters.index"))


@blueprint.get("/<path:key>")
@access.allow("queues.view")
def show(key: str) -> Response:
    """The messages of one cause."""
    cause = _cause(key)
    cursor = request.args.get("cursor")
    before = decode_cursor(cursor)
    with transaction() as session:
        group = _group(session, cause)
        found = dead_letters.of_cause(session, cause, before, PAGE + 1)
        rows = message_rows.rows(session, found[:PAGE])
    last = encode_cursor(rows[-1].key) if len(found) > PAGE else None
    here = url_for("dead_letters.show", key=key)
    return pages.page(
        "dead_letters/show.html",
        key=key,
        group=row(group) if group else None,
        cause=cause,
        title=title(cause),
        rows=rows,
        newest=here if cursor else None,
        older=url_for("dead_letters.show", key=key, cursor=last) if last else None,
    )


@blueprint.post("/<path:key>/_bulk")
@access.allow("queues.act")
def some(key: str) -> AnyResponse:
    """Retry or discard the selected messages."""
    cause, now = _cause(key), clock.now()
    keys = [found for one in request.form.getlist("id") if (found := ids.decode("ntf", one))]
    discarding = forms.text("do") == "discard"
    with transaction() as session:
        act = dead_letters.discard if discarding else dead_letters.retry
        count = act(session, keys, now)
        if count:
            verb = "discard" if discarding else "retry"
            detail = {"messages": count}
            audit.record(session, access.actor(), f"message.{verb}", title(cause), detail, now)
        left = dead_letters.of_cause(session, cause, None, 1)
    done = "Discarded" if discarding else "Retrying"
    flash(f"{done} {filters.plural(count, 'message')}.", "done")
    home = url_for("dead_letters.show", key=key) if left else url_for("dead_letters.index")
    return pages.go(home)


@blueprint.post("/<path:key>/all")
@access.allow("queues.act")
def everything(key: str) -> AnyResponse:
    """Retry or discard all of a cause; discarding wants the number typed."""
    cause = _cause(key)
    verb = "discard" if forms.text("do") == "discard" else "retry"
    with transaction() as session:
        group = _group(session, cause)
        if group is None:
            raise NotFound("There is nothing left of this cause.")
        typed = forms.text("typed").replace(",", "").replace(".", "")
        if verb == "discard" and typed != str(group.messages):
            raise Invalid.one("/typed", "not_confirmed", "Type the number of messages to confirm.")
        _begin(session, group, verb)
    done = "Discarding" if verb == "discard" else "Retrying"
    flash(f"{done} {filters.plural(group.messages, 'message')}.", "done")
    return pages.go(url_for("dead_letters.index"))


def row(group: Group) -> dict[str, Any]:
    """A cause with its words."""
    provider = provider_name(group.cause.provider) if group.cause.provider else "Herald"
    said = words.said(group.cause.code, group.detail)
    return {
        "group": group,
        "key": group.cause.key,
        "title": title(group.cause),
        "sub": f"{provider}: {said}" if said else provider,
        "next": _NEXT.get(group.cause.reason, ""),
    }


def title(cause: Cause) -> str:
    """`Refused by the provider, SMS`."""
    return f"{words.reason(cause.reason)}, {words.channel(cause.channel).label}"


def _begin(session: Session, group: Group, verb: str) -> None:
    """The first chunk now, so that the page shows it; the rest in the background."""
    now, up_to = clock.now(), group.latest_id
    step = dead_letters.discard_some if verb == "discard" else dead_letters.retry_some
    reached = step(session, group.cause, 0, up_to, now)
    if reached is not None and group.messages > dead_letters.CHUNK:
        jobs.later(session, f"{verb}_dead_letters", group.cause.key, reached, up_to)
    detail = {"messages": group.messages, "code": group.cause.code or None}
    audit.record(session, access.actor(), f"message.{verb}", title(group.cause), detail, now)


def _group(session: Session, cause: Cause) -> Group | None:
    found = (group for group in dead_letters.groups(session) if group.cause == cause)
    return next(found, None)


def _cause(key: str) -> Cause:
    cause = dead_letters.parse(key)
    if cause is None:
        raise NotFound("There is no such cause.")
    return cause
