"""The third step: at once or at a wall time in a named zone, quiet hours, when to give up."""

from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import workspace
from app.campaigns import drafts, plan
from app.campaigns.drafts import EditedElsewhere
from app.campaigns.models import Campaign
from app.console import access, composer, filters, forms, pages
from app.console.campaign_words import wall
from app.db import transaction
from app.errors import FieldError, Invalid

blueprint: Final = Blueprint("campaign_schedule", __name__, url_prefix="/campaigns/<public_id>")
USUAL_HOURS: Final = 24


@blueprint.get("/schedule")
@access.allow("campaigns.edit")
def show(public_id: str) -> AnyResponse:
    """The form and what it means."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if away := composer.elsewhere(campaign):
            return away
        context = composer.frame(session, campaign, "schedule")
        context |= _form(session, campaign) | _panel(session, campaign)
        return pages.page("campaigns/schedule.html", **context)


@blueprint.post("/schedule")
@access.allow("campaigns.edit")
def proceed(public_id: str) -> AnyResponse:
    """Save and go on to the review."""
    answer = _keep(public_id)
    return answer or pages.go(composer.step_url(public_id, "review"))


@blueprint.post("/_plan")
@access.allow("campaigns.edit")
def replan(public_id: str) -> AnyResponse:
    """Save, and answer what the time means. 422 for a time that does not exist or has passed."""
    composer.must_be_fragment()
    refused = _keep(public_id)
    if refused:
        return refused
    with transaction() as session:
        campaign = composer.find(session, public_id)
        context = _panel(session, campaign)
        return composer.saved(campaign, "campaigns/_planned.html", **context)


def chosen() -> dict[str, Any]:
    """What the form says. Raises Invalid with every wrong field."""
    problems: list[FieldError] = []
    fields: dict[str, Any] = {"quiet_hours": forms.is_on("quiet_hours"), "expires_hours": None}
    if forms.is_on("expires"):
        try:
            fields["expires_hours"] = forms.number("expires_hours")
        except Invalid as refused:
            problems += refused.fields
    try:
        fields["rate"] = forms.per_second("rate")
    except Invalid as refused:
        problems += refused.fields
    if importance := forms.text("importance"):
        fields["importance"] = importance
    if forms.text("when") != "at":
        fields |= {"wall_time": None, "zone": None}
    else:
        for name, words in (("date", "Choose a day."), ("time", "Choose a time.")):
            if not forms.text(name):
                problems.append(FieldError(f"/{name}", "missing", words))
        fields["wall_time"] = f"{forms.text('date')}T{forms.text('time')[:5]}"
        fields["zone"] = forms.text("zone")
    if problems:
        raise Invalid(problems)
    return fields


def _keep(public_id: str) -> Response | None:
    """Save the form; a refusal to show, or None when it is saved."""
    now = clock.now()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        try:
            fields = chosen()
            if name := forms.text("name"):
                fields["name"] = name
            drafts.save(session, campaign.id, composer.seen(), fields, current_user.id, now)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return composer.invalid(_on_fields(refused))
    return None


def _on_fields(refused: Invalid) -> Invalid:
    """A wrong wall time is shown at the field with the time."""
    return Invalid(
        [
            FieldError(field.pointer.replace("/wall_time", "/time"), field.code, field.message)
            for field in refused.fields
        ]
    )


def _form(session: Session, campaign: Campaign) -> dict[str, Any]:
    house = workspace.get(session)
    tomorrow = filters.local(clock.now() + timedelta(days=1))
    date, _, time = (campaign.wall_time or f"{tomorrow:%Y-%m-%d}T09:00").partition("T")
    return {
        "at_set_time": campaign.wall_time is not None,
        "date": date,
        "time": time[:5],
        "zone_name": campaign.zone or house.timezone,
        "zones": forms.zones(),
        "quiet": house.quiet_hours,
        "cap": house.cap,
        "usual_hours": USUAL_HOURS,
    }


def _panel(session: Session, campaign: Campaign) -> dict[str, Any]:
    return {
        "plan": plan.plan(session, campaign, clock.now()),
        "most_zones": plan.MOST,
        "wall": wall(campaign),
        "house_zone": workspace.get(session).timezone,
    }
