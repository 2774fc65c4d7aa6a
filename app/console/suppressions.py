"""The list of addresses that must not be used: find, add by hand, allow again."""

from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.audience import addresses, suppressions
from app.audience.models import SUPPRESSION_REASONS, Suppression
from app.console import access, forms, pages
from app.console.person_page import SUPPRESSED
from app.db import transaction
from app.errors import Invalid, NotFound

blueprint: Final = Blueprint("suppressions", __name__, url_prefix="/suppressions")
PAGE: Final = 50
NOTE_MAX: Final = 300
KINDS: Final = {"email": "E-mail address", "phone": "Phone number", "token": "Device token"}
REASONS: Final = {
    "bounce": "Messages came back",
    "complaint": "Called it spam",
    "stop": "Texted STOP",
    "unsubscribe": "Unsubscribed from all",
    "manual": "By hand",
    "erased": "Asked to be erased",
    "invalid": "No such address",
}


@blueprint.get("")
@access.allow("people.find")
def index() -> Response:
    """Suppressed addresses, newest first, narrowed by the filters in the URL."""
    query = _query()
    cursor = request.args.get("cursor")
    with transaction() as session:
        found = suppressions.page(
            session, cursor, PAGE, query.get("kind"), query.get("reason"), query.get("q", "")
        )
        totals = suppressions.totals(session)
    return pages.page(
        "suppressions/index.html",
        "suppressions/_results.html",
        rows=[_row(entry) for entry in found.items],
        query=query,
        totals=totals,
        kinds=KINDS,
        reasons=REASONS,
        newest=_url(query) if cursor else None,
        older=_url(query, cursor=found.next_cursor) if found.next_cursor else None,
        without={name: _url(query, **{name: None}) for name in ("kind", "reason")},
    )


@blueprint.post("")
@access.allow("people.suppress")
def add() -> AnyResponse:
    """Never use an address again."""
    now = clock.now()
    kind, note = forms.text("kind"), forms.text("note")[:NOTE_MAX]
    try:
        with transaction() as session:
            entry = suppressions.add_by_hand(
                session, kind, forms.text("address"), note, "console", now
            )
            already = entry.created_at != now
            detail = {"address": kind, "note": note or None}
            audit.record(session, access.actor(), "suppression.create", _masked(entry), detail, now)
    except Invalid as refused:
        answer = pages.page("suppressions/_add_error.html", errors=refused.by_field())
        return forms.refused(answer, "#add-error")
    words = (
        "This address was on the list already." if already else "Nothing is sent to it any more."
    )
    flash(words, "done")
    return pages.go(url_for("suppressions.index"))


@blueprint.post("/<int:entry_id>/lift")
@access.allow("people.suppress")
def lift(entry_id: int) -> AnyResponse:
    """Allow an address again; needs a note of why."""
    now = clock.now()
    note = forms.text("note")[:NOTE_MAX]
    if not note:
        raise Invalid.one("/note", "missing", "Say why this address may be used again.")
    if not 0 < entry_id < 1 << 63:
        raise NotFound("This address is no longer on the list.")
    with transaction() as session:
        entry = suppressions.lift_by_id(session, entry_id)
        detail = {"address": entry.kind, "was": entry.reason, "note": note}
        audit.record(session, access.actor(), "suppression.remove", _masked(entry), detail, now)
    flash("The address may be used again.", "done")
    return pages.go(url_for("suppressions.index"))


def _row(entry: Suppression) -> dict[str, Any]:
    erased = entry.reason == "erased" or suppressions.is_erased(entry)
    shown = addresses.pretty_phone(entry.address) if entry.kind == "phone" else entry.address
    return {
        "entry": entry,
        "erased": erased,
        "address": "Erased person" if erased else shown,
        "why": SUPPRESSED.get(entry.reason, entry.reason),
    }


def _masked(entry: Suppression) -> str:
    """The audit trail is kept longer than addresses may be."""
    if entry.kind == "email":
        name, _, host = entry.address.rpartition("@")
        return f"{name[:2]}···@{host}"
    return f"{entry.address[:3]}···{entry.address[-3:]}"


def _query() -> dict[str, str]:
    """What the URL asks for, without what it does not know."""
    known = {"kind": tuple(KINDS), "reason": SUPPRESSION_REASONS}
    found = {name: request.args.get(name, "").strip()[:200] for name in ("q", *known)}
    return {
        name: value
        for name, value in found.items()
        if value and (name not in known or value in known[name])
    }


def _url(query: dict[str, str], **changes: str | None) -> str:
    return url_for("suppressions.index", **dict[str, Any]({**query, **changes}))
