"""After a conflict: what was typed, kept as a campaign of its own."""

from typing import Any, Final

from flask import Blueprint, flash, request
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.campaigns import content, drafts, lifecycle
from app.campaigns.models import Campaign
from app.console import access, campaign_audience, campaign_editing, composer, forms, pages
from app.console.campaign_schedule import chosen as schedule_of
from app.db import transaction
from app.errors import Invalid

blueprint: Final = Blueprint("campaign_copy", __name__, url_prefix="/campaigns/<public_id>")


@blueprint.post("/_copy")
@access.allow("campaigns.edit")
def keep(public_id: str) -> AnyResponse:
    """A copy of the campaign with the form's step in it, opened there."""
    now, step = clock.now(), forms.text("step")
    with transaction() as session:
        campaign = composer.find(session, public_id)
        copy = lifecycle.duplicate(session, campaign, current_user.id, now)
        try:
            _put(session, copy, step)
        except Invalid as refused:
            return composer.invalid(refused)
        detail = {"copy of": campaign.name}
        audit.record(session, access.actor(), "campaign.duplicate", copy.name, detail, now)
        copied = ids.encode("cmp", copy.id)
    flash("This is a copy with what you typed.", "done")
    return pages.go(composer.step_url(copied, step or "audience"))


def _put(session: Session, copy: Campaign, step: str) -> None:
    now, by = clock.now(), current_user.id
    fields: dict[str, Any] = {}
    if step == "audience":
        fields = campaign_audience.chosen(session)
    elif step == "schedule":
        fields = schedule_of()
    elif step.startswith("content/"):
        channel = step.partition("/")[2]
        merged = campaign_editing.merged(session, copy, channel, request.form)
        content.save(session, copy.id, None, merged, by, now)
        return
    drafts.save(session, copy.id, None, fields, by, now)
