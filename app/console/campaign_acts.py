"""What is done with a campaign as a whole: pause, resume, cancel, unschedule, copy, put away."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask import Blueprint, flash, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.campaigns import drafts, lifecycle
from app.campaigns.models import Campaign
from app.console import access, campaign_table, composer, filters, forms, pages
from app.db import transaction
from app.errors import Conflict, Invalid

blueprint: Final = Blueprint("campaign_acts", __name__, url_prefix="/campaigns/<public_id>")


@blueprint.post("/pause")
@access.allow("campaigns.edit")
def pause(public_id: str) -> AnyResponse:
    """Hand nothing more over, at once; Undo goes on."""
    undo = url_for("campaign_acts.resume", public_id=public_id)
    return _change(public_id, "pause", lifecycle.pause, "Paused.", undo)


@blueprint.post("/resume")
@access.allow("campaigns.edit")
def resume(public_id: str) -> AnyResponse:
    """Go on where it was paused."""
    return _change(public_id, "resume", lifecycle.resume, "Sending again.")


@blueprint.post("/cancel")
@access.allow("campaigns.edit")
def cancel(public_id: str) -> AnyResponse:
    """Final: what was not handed over never will be. The number on the page has to be typed."""
    wanted = forms.text("number").replace(",", "")
    if wanted and forms.text("typed").replace(",", "") != wanted:
        message = "Type the number of the question, so that nothing is cancelled by accident."
        raise Invalid.one("/typed", "not_confirmed", message)
    return _change(public_id, "cancel", lifecycle.cancel, "Cancelled. The rest is not sent.")


@blueprint.post("/rate")
@access.allow("campaigns.edit")
def rate(public_id: str) -> AnyResponse:
    """Slow down or speed up while it is on its way; empty: as fast as it goes."""
    now = clock.now()
    try:
        chosen = forms.per_second("rate")
        with transaction() as session:
            campaign = composer.find(session, public_id)
            before = {forms.PER_SECOND: campaign.rate}
            lifecycle.set_rate(session, campaign.id, chosen, now)
            detail = audit.changes(before, {forms.PER_SECOND: chosen})
            if detail:
                audit.record(session, access.actor(), "campaign.change", campaign.name, detail, now)
    except Invalid as refused:
        if not pages.wants_fragment():
            raise
        answer = pages.page("reports/_refused.html", error=refused.message)
        return forms.refused(answer, "#error-rate")
    most = (
        f"At most {filters.plural(chosen, 'message')} per second"
        if chosen
        else "As fast as it goes"
    )
    flash(f"{most}, from now on.", "done")
    return pages.go(composer.home(public_id))


@blueprint.post("/unschedule")
@access.allow("campaigns.edit")
def unschedule(public_id: str) -> AnyResponse:
    """Back to a draft, before its time has come."""
    return _change(public_id, "unschedule", lifecycle.unschedule, "A draft again. It will not go.")


@blueprint.post("/reschedule")
@access.allow("campaigns.edit")
def reschedule(public_id: str) -> AnyResponse:
    """Back to a draft, where its time is chosen."""
    now = clock.now()
    with transaction() as session:
        campaign = lifecycle.unschedule(session, composer.find(session, public_id).id, now)
        audit.record(session, access.actor(), "campaign.unschedule", campaign.name, None, now)
    flash("A draft again: choose a new time, then launch it.", "done")
    return pages.go(composer.step_url(public_id, "schedule"))


@blueprint.post("/duplicate")
@access.allow("campaigns.edit")
def duplicate(public_id: str) -> AnyResponse:
    """A new draft with the same audience and content, opened."""
    now = clock.now()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        copy = lifecycle.duplicate(session, campaign, current_user.id, now)
        detail = {"copy of": campaign.name}
        audit.record(session, access.actor(), "campaign.duplicate", copy.name, detail, now)
        copied = ids.encode("cmp", copy.id)
    flash(f"Copied. This is {copy.name}.", "done")
    return pages.go(composer.step_url(copied, "audience"))


@blueprint.post("/archive")
@access.allow("campaigns.edit")
def archive(public_id: str) -> AnyResponse:
    """Put it away; it stays in the archive with its figures."""
    now = clock.now()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if not drafts.archive(session, [campaign.id], now):
            raise Conflict("Only drafts and finished campaigns can be archived.")
        audit.record(session, access.actor(), "campaign.archive", campaign.name, None, now)
    flash(f"{campaign.name} is archived.", "done")
    return pages.go(url_for("campaigns.index"))


@blueprint.post("/restore")
@access.allow("campaigns.edit")
def restore(public_id: str) -> AnyResponse:
    """Back from the archive."""
    now = clock.now()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if drafts.restore(session, [campaign.id]):
            audit.record(session, access.actor(), "campaign.restore", campaign.name, None, now)
    flash(f"{campaign.name} is back.", "done")
    return pages.go(url_for("campaigns.index"))


def _change(
    public_id: str,
    verb: str,
    act: Callable[[Session, int, datetime], Campaign],
    said: str,
    undo: str | None = None,
) -> AnyResponse:
    """Do it, write it down, and answer the row of the list or the campaign's page."""
    now = clock.now()
    with transaction() as session:
        campaign = act(session, composer.find(session, public_id).id, now)
        audit.record(session, access.actor(), f"campaign.{verb}", campaign.name, None, now)
        if request.headers.get("HX-Target") == f"c-{public_id}":
            row = campaign_table.rows(session, [campaign], now)[0]
            return pages.toast(pages.page("campaigns/_row.html", row=row), said, undo_url=undo)
    flash(said, "done")
    return pages.go(composer.home(public_id))
