"""The last step: everything on one page, checked, and the button that sends it."""

from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, Response, flash
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit, workspace
from app.audience.models import Topic
from app.campaigns import checks, content, drafts, lifecycle, listing, plan, waterfall
from app.campaigns.drafts import EditedElsewhere
from app.campaigns.models import Campaign
from app.console import access, composer, content_stage, forms, pages
from app.console.campaign_words import wall
from app.console.filters import num
from app.content.render import Rendered, RenderFailure
from app.db import transaction
from app.errors import Invalid

blueprint: Final = Blueprint("campaign_review", __name__, url_prefix="/campaigns/<public_id>")
TYPED_FROM: Final = 1_000  # people; more than this and the number has to be typed
# How far the count may have moved since the page was looked at.
_DRIFT_SHARE: Final = 0.05
_DRIFT_PEOPLE: Final = 20


@blueprint.get("/review")
@access.allow("campaigns.view")
def show(public_id: str) -> AnyResponse:
    """What would happen, and what stands against it."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if campaign.status not in composer.COMPOSED:
            return pages.go(composer.home(public_id))
        return _page(session, campaign)


@blueprint.post("/launch")
@access.allow("campaigns.edit")
def launch(public_id: str) -> AnyResponse:
    """Send it, or let it wait for its time; then its report."""
    now = clock.now()
    with transaction() as session:
        key = composer.find(session, public_id).id
        try:
            campaign = drafts.locked(session, key, composer.seen())
            _confirmed(waterfall.count(session, campaign, now).receive)
            lifecycle.approve(session, key, current_user.id, now)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return _again(session, key, refused)
        scheduled = campaign.status == "scheduled"
        verb = "schedule" if scheduled else "launch"
        detail = {"people": int(forms.text("number") or 0), "for": wall(campaign)}
        audit.record(session, access.actor(), f"campaign.{verb}", campaign.name, detail, now)
    flash("Scheduled." if scheduled else "On its way.", "done")
    return pages.go(composer.home(public_id))


@blueprint.post("/send-late")
@access.allow("campaigns.edit")
def send_late(public_id: str) -> AnyResponse:
    """It missed its time and goes out after all."""
    now = clock.now()
    with transaction() as session:
        key = composer.find(session, public_id).id
        try:
            campaign = session.get_one(Campaign, key)
            _confirmed(waterfall.count(session, campaign, now).receive)
            lifecycle.send_late(session, key, current_user.id, now)
        except Invalid as refused:
            return _again(session, key, refused)
        detail = {"people": int(forms.text("number") or 0), "late": True}
        audit.record(session, access.actor(), "campaign.launch", campaign.name, detail, now)
    flash("On its way.", "done")
    return pages.go(composer.home(public_id))


def _confirmed(receive: int) -> None:
    """The count is the one that was looked at, and a large one was typed. Raises Invalid."""
    looked_at = forms.text("number")
    expected = int(looked_at) if looked_at.isdigit() and len(looked_at) < 12 else 0
    if abs(receive - expected) > max(_DRIFT_PEOPLE, expected * _DRIFT_SHARE):
        message = (
            f"The audience changed: {num(receive)} people would get it now, not {num(expected)}. "
            "Look again before you send."
        )
        raise Invalid.one("/number", "changed", message)
    typed = forms.text("typed").replace(",", "").replace(" ", "")
    if expected > TYPED_FROM and typed != str(expected):
        message = f"Type {num(expected)} to confirm that this goes to so many people."
        raise Invalid.one("/typed", "not_confirmed", message)


def _again(session: Session, key: int, refused: Invalid) -> Response:
    session.rollback()
    response = _page(session, session.get_one(Campaign, key), refused.by_field())
    response.status_code = 422
    return response


def _page(session: Session, campaign: Campaign, errors: Any = None) -> Response:
    now = clock.now()
    fall = waterfall.count(session, campaign, now)
    found = checks.review(session, campaign, fall.receive, now)
    names = listing.segment_names(session, [campaign])
    context = composer.frame(session, campaign, "review") | {
        "fall": fall,
        "checks": found,
        "blocked": [check for check in found if check.state == "bad"],
        "errors": errors or {},
        "included": [names[key] for key in campaign.include_segments if key in names],
        "excluded": [names[key] for key in campaign.exclude_segments if key in names],
        "topic": session.get(Topic, campaign.topic_id) if campaign.topic_id else None,
        "thumbs": _thumbs(session, campaign),
        "wall": wall(campaign),
        "plan": plan.plan(session, campaign, now),
        "house": workspace.get(session),
        "typed_from": TYPED_FROM,
        "checked_at": now,
        "review_id": ids.encode("cmp", campaign.id),
    }
    return pages.page("campaigns/review.html", **context)


def _thumbs(
    session: Session, campaign: Campaign
) -> Sequence[tuple[Sequence[str], Rendered | None]]:
    """Each message for one person, phones that say the same together; None: cannot be rendered."""
    version = content.version_of(session, campaign)
    written = version.content if version else {}
    look, may_see = content_stage.Look(), access.may("people.find")
    shown: list[tuple[list[str], Rendered | None]] = []
    for channel in campaign.channels:
        built = content_stage.build(session, written, {}, channel, look, may_see_people=may_see)
        fine = built.result is not None and not isinstance(built.result, RenderFailure)
        result = built.result if fine else None
        twin = next((names for names, other in shown if result and other == result), None)
        if twin is None:
            shown.append(([channel], result))
        else:
            twin.append(channel)
    return shown
