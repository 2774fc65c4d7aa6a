"""Unsubscribe (RFC 8058) and the preference page. A GET never changes anything.

Both doors need no cookie and no form token: the signed link is the permission. The one-click POST
of a mail program and the button of our own page are the same POST, answered 200 without redirect.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, render_template, request
from sqlalchemy.orm import Session

from app import clock
from app.accounts import workspace
from app.audience import consent
from app.audience.consent import TopicStanding
from app.audience.models import Topic
from app.db import transaction
from app.hooks.context import tokens
from app.signing import Signer
from app.tracking import optout
from app.tracking.optout import ONE_CLICK, PAGE, Reader
from app.tracking.tokens import for_contact, read

LARGEST_FORM: Final = 64 * 1024
STOPPED: Final = "You are unsubscribed from everything but the messages that are always sent."


@dataclass(frozen=True, slots=True)
class Column:
    """One way to reach a person, as the page shows it. `push` stands for both kinds of phones."""

    key: str
    word: str
    icon: str


COLUMNS: Final = (
    Column("email", "Email", "mail"),
    Column("push", "App", "bell"),
    Column("sms", "Text", "message-square-text"),
)


@dataclass(frozen=True, slots=True)
class Switch:
    """One cell of the matrix; `name` is `<topic>:<column>`."""

    name: str
    label: str
    word: str
    on: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One topic; a locked one is always sent and has no switches."""

    topic: Topic
    locked: bool
    switches: Sequence[Switch]


blueprint = Blueprint("subscriptions", __name__)


@blueprint.get("/u/<token>")
def ask(token: str) -> Response:
    """Ask whether to unsubscribe; link scanners may look as often as they like."""
    with transaction() as session:
        who = _reader(session, tokens().unsubscribe, token, clock.now())
        if who is None:
            return _no_such_link(session)
        return _unsubscribe_page(session, who, done=False)


@blueprint.post("/u/<token>")
def act(token: str) -> Response:
    """Unsubscribe. Repeats answer the same; `undo` takes it back."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM
    form = request.form
    now = clock.now()
    with transaction() as session:
        who = _reader(session, tokens().unsubscribe, token, now)
        if who is None:
            return _no_such_link(session)
        if "undo" in form:
            optout.resubscribe(session, who, now)
            return _unsubscribe_page(session, who, done=False, undone=True)
        optout.unsubscribe(session, who, PAGE if "page" in form else ONE_CLICK, now)
        return _unsubscribe_page(session, who, done=True)


@blueprint.get("/p/<token>")
def preferences(token: str) -> Response:
    """What this person hears from us, topic by topic."""
    with transaction() as session:
        who = _reader(session, tokens().preferences, token, clock.now())
        if who is None:
            return _no_such_link(session)
        return _preference_page(session, who)


@blueprint.post("/p/<token>")
def save(token: str) -> Response:
    """The whole form at once, without scripts; or `stop`: unsubscribe from all."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM
    form, now = request.form, clock.now()
    with transaction() as session:
        who = _reader(session, tokens().preferences, token, now)
        if who is None:
            return _no_such_link(session)
        if "stop" in form:
            optout.stop_all(session, who, now)
            return _preference_page(
                session,
                who,
                "You are unsubscribed from everything but the messages marked with a lock.",
            )
        chosen = set(form.getlist("on"))
        wanted = [
            (*cell, name in chosen) for name in form.getlist("shown") if (cell := _cell(name))
        ]
        optout.choose(session, who, wanted, now)
        return _preference_page(session, who, "Saved.")


@blueprint.post("/p/<token>/_set")
def set_one(token: str) -> Response:
    """One switch: `?set=<topic>:<column>`, on when the form says so or `to=1` (Undo)."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM
    name, now = request.args.get("set", ""), clock.now()
    cell = _cell(name)
    with transaction() as session:
        who = _reader(session, tokens().preferences, token, now)
        if who is None or who.contact is None or cell is None:
            return Response(status=404)
        undo = "to" in request.args
        on = request.args.get("to") == "1" if undo else name in request.form.getlist("on")
        optout.choose(session, who, [(*cell, on)], now)
        answer = _preference_page(session, who, fragment=True)
        answer.headers["HX-Retarget"] = "#topics"
        answer.headers["HX-Reswap"] = "morph:outerHTML"
        back = None if undo else f"{request.path}?set={name}&to={0 if on else 1}"
        _toast(answer, _said(session, who, cell, on), back)
    return answer


def _reader(session: Session, signer: Signer, token: str, now: datetime) -> Reader | None:
    bearer = read(signer, token)
    return optout.reader(session, bearer, now) if bearer else None


def _cell(name: str) -> tuple[int, str] | None:
    topic, _, column = name.partition(":")
    if column not in {known.key for known in COLUMNS} or not (
        topic.isascii() and topic.isdigit() and len(topic) < 10
    ):
        return None
    return int(topic), column


def _said(session: Session, who: Reader, cell: tuple[int, str], on: bool) -> str:
    name = f"{cell[0]}:{cell[1]}"
    rows = consent.matrix(session, who.contact.id) if who.contact else []
    switches = [switch for row in rows for switch in _row(row).switches]
    label = next((switch.label for switch in switches if switch.name == name), "This")
    return f"{label} is {'on' if on else 'off'}"


def _toast(answer: Response, text: str, undo: str | None) -> None:
    detail = {"text": text, "kind": "undo", "undo": undo} if undo else {"text": text}
    # Headers are ASCII: JSON's own escapes carry the rest.
    answer.headers["HX-Trigger"] = json.dumps({"toast": detail})


def _unsubscribe_page(session: Session, who: Reader, done: bool, undone: bool = False) -> Response:
    return _page(
        session,
        "public/unsubscribe.html",
        200,
        who=who,
        done=done or optout.is_out(session, who),
        undone=undone,
        preferences_url=_preferences_url(who),
    )


def _preferences_url(who: Reader) -> str | None:
    if who.contact is None:
        return None
    signer = tokens().preferences
    token = signer.sign_id(who.message.id) if who.message else for_contact(signer, who.contact.id)
    return f"/p/{token}"


def _preference_page(
    session: Session, who: Reader, said: str = "", fragment: bool = False
) -> Response:
    rows = consent.matrix(session, who.contact.id) if who.contact else []
    template = "public/_topics.html" if fragment else "public/preferences.html"
    # What "stop everything" is about is the person where one is known, else the one address.
    all_of_it = Reader(who.contact, None, None) if who.contact else who
    return _page(
        session,
        template,
        200,
        who=who,
        rows=[_row(standing) for standing in rows],
        columns=COLUMNS,
        said=said,
        stopped=optout.is_out(session, all_of_it),
        path=request.path.removesuffix("/_set"),
    )


def _row(standing: TopicStanding) -> Row:
    topic = standing.topic
    switches = [
        Switch(
            name=f"{topic.id}:{column.key}",
            label=f"{topic.name} by {column.word.lower()}",
            word=column.word,
            on=any(standing.channels[one].opted_in for one in optout.channels_of(column.key)),
        )
        for column in COLUMNS
    ]
    return Row(topic, topic.klass != "marketing", switches)


def _no_such_link(session: Session) -> Response:
    return _page(session, "public/no_link.html", 404)


def _page(session: Session, template: str, status: int, **context: Any) -> Response:
    brand = {"name": workspace.get(session).name}
    answer = Response(render_template(template, brand=brand, **context), status)
    answer.headers["Cache-Control"] = "no-store, private"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
