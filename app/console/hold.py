"""The hold: stop everything, see why nothing goes out and what would, and the two ways on."""

from typing import Final

from flask import Blueprint, Flask, Response, current_app, flash, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.campaigns import waiting
from app.campaigns.models import Campaign
from app.console import access, forms, pages
from app.console.campaign_words import shown_status
from app.db import transaction
from app.errors import Conflict
from app.sending import installation
from app.sending.installation import Hold
from app.settings import Settings

LONGEST_REASON: Final = 200
blueprint = Blueprint("hold", __name__, url_prefix="/hold")


@blueprint.get("")
@access.allow("overview.view")
def index() -> Response:
    """What would go out if the installation were released now."""
    now = clock.now()
    with transaction() as session:
        return pages.page(
            "hold/index.html",
            held=installation.hold(session),
            waiting=waiting.summary(session, now),
            most=waiting.LOOKED_AT,
            longest=LONGEST_REASON,
            public_id=_campaign_id,
            shown_status=shown_status,
            now=now,
        )


@blueprint.post("")
@access.allow("settings.edit")
def set_() -> AnyResponse:
    """Let nothing go out from now on; calls that have begun are finished."""
    now = clock.now()
    settings: Settings = current_app.config["HERALD"]
    reason, who = forms.text("reason")[:LONGEST_REASON], access.actor()
    with transaction() as session:
        if not installation.hold_by_hand(session, settings.var_dir, who.name, reason, now):
            raise Conflict("It is held already.")
        audit.record(session, who, "installation.hold", "", {"reason": reason}, now)
    flash("Nothing goes out now.", "done")
    return pages.go(url_for("hold.index"))


@blueprint.post("/release")
@access.allow("settings.edit")
def release() -> AnyResponse:
    """This is the real one now: what waits goes out."""
    now = clock.now()
    with transaction() as session:
        _must_be_held(installation.release(session, now))
        audit.record(session, access.actor(), "installation.release", "", None, now)
    flash("Herald sends again.", "done")
    return pages.go(url_for("overview.index"))


@blueprint.post("/discard")
@access.allow("settings.edit")
def discard() -> AnyResponse:
    """Cancel what waits, in the background; after that Herald sends again."""
    now = clock.now()
    with transaction() as session:
        _must_be_held(waiting.begin_discarding(session, now))
        audit.record(session, access.actor(), "installation.discard", "", None, now)
    flash("What waits is being cancelled. After that Herald sends again.", "done")
    return pages.go(url_for("hold.index"))


def register(app: Flask) -> None:
    """Let the frame of every page say that nothing goes out."""
    app.jinja_env.globals["installation_hold"] = _current


def _current() -> Hold | None:
    try:
        with transaction() as session:
            return installation.hold(session)
    except SQLAlchemyError:  # the page has something worse to say
        return None


def _must_be_held(done: bool) -> None:
    if not done:
        raise Conflict("Nothing is held, or somebody was faster.")


def _campaign_id(campaign: Campaign) -> str:
    return ids.encode("cmp", campaign.id)
