"""Alerts: what is wrong now, what was, who is told; acknowledge and close."""

from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, flash, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit, members
from app.alerts import incidents, listing, tell
from app.alerts.models import Incident
from app.console import access, alert_words, pages
from app.db import transaction
from app.settings import Settings

blueprint = Blueprint("alerts", __name__, url_prefix="/alerts")
PAGE: Final = 50


@blueprint.get("")
@access.allow("queues.view")
def index() -> Response:
    """Open alerts, or those whose cause is gone."""
    past = request.args.get("state") == "resolved"
    cursor = request.args.get("cursor")
    with transaction() as session:
        page = listing.resolved(session, cursor, PAGE) if past else None
        found = page.items if page else listing.still_open(session)
        context = _context(session, list(found))
        number = listing.count_open(session)
    following = page.next_cursor if page else None
    return pages.page(
        "alerts/index.html",
        "alerts/_list.html",
        past=past,
        number=number,
        newest=url_for("alerts.index", state="resolved") if cursor else None,
        older=url_for("alerts.index", state="resolved", cursor=following) if following else None,
        **context,
    )


@blueprint.post("/<public_id>/acknowledge")
@access.allow("queues.act")
def acknowledge(public_id: str) -> AnyResponse:
    """Somebody has seen it and looks into it; it stays open until its cause is gone."""
    now = clock.now()
    with transaction() as session:
        incident = listing.by_public_id(session, public_id)
        incidents.acknowledge(session, incident.id, current_user.id, now)
        audit.record(session, access.actor(), "incident.acknowledge", incident.title, None, now)
    flash("Acknowledged. It closes by itself when its cause is gone.", "done")
    return pages.go(_back())


@blueprint.post("/<public_id>/close")
@access.allow("queues.act")
def close(public_id: str) -> AnyResponse:
    """It is dealt with; the same cause opens a new alert."""
    now = clock.now()
    with transaction() as session:
        incident = listing.by_public_id(session, public_id)
        incidents.resolve(session, incident.cause, now)
        audit.record(session, access.actor(), "incident.close", incident.title, None, now)
    flash("Closed. If it happens again, there is a new alert.", "done")
    return pages.go(_back())


def rows(session: Session, found: list[Incident]) -> list[dict[str, Any]]:
    """Alerts with their words and who acknowledged them."""
    seen_by = {one.acknowledged_by for one in found if one.acknowledged_by}
    names = members.names(session, seen_by)
    return [
        {
            "id": ids.encode("inc", one.id),
            "incident": one,
            "title": alert_words.title(one),
            "state": alert_words.state(one),
            "span": alert_words.span(one),
            "to_do": alert_words.to_do(one),
            "link": alert_words.link(one),
            "by": names.get(one.acknowledged_by or 0),
        }
        for one in found
    ]


def _context(session: Session, found: list[Incident]) -> dict[str, Any]:
    settings: Settings = current_app.config["HERALD"]
    told = tell.recipients(session, settings) if access.may("queues.act") else []
    hook = urlsplit(settings.alert_webhook).hostname if settings.alert_webhook else None
    return {"rows": rows(session, found), "told": told, "hook": hook}


def _back() -> str:
    """Where the button was: the list of alerts or the queues."""
    return "/queues" if request.form.get("from") == "queues" else url_for("alerts.index")
