"""The second step: what it says on each channel, saved as it is typed, seen as people will."""

from typing import Any, Final

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.campaigns import content, drafts
from app.campaigns.drafts import EditedElsewhere
from app.campaigns.models import Campaign
from app.console import access, campaign_editing, composer, content_form, content_stage, pages
from app.console.template_editor import PREVIEW_POLICY
from app.content import templates
from app.content.render import RenderedEmail
from app.db import transaction
from app.errors import Invalid, NotFound

blueprint: Final = Blueprint(
    "campaign_content", __name__, url_prefix="/campaigns/<public_id>/content"
)


@blueprint.get("")
@access.allow("campaigns.edit")
def first(public_id: str) -> AnyResponse:
    """The channel to begin with: the first without content, else the first."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if away := composer.elsewhere(campaign):
            return away
        version = content.version_of(session, campaign)
        written = version.content if version else {}
        missing = [name for name in campaign.channels if name not in written]
        channel = next(iter(missing or campaign.channels), None)
    return pages.go(composer.step_url(public_id, f"content/{channel}" if channel else "audience"))


@blueprint.get("/<channel>")
@access.allow("campaigns.edit")
def show(public_id: str, channel: str) -> AnyResponse:
    """The form of one channel beside its preview."""
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        if away := composer.elsewhere(campaign):
            return away
        if channel not in campaign.channels:
            return pages.go(composer.step_url(public_id, "content"))
        return _page(session, campaign, channel)


@blueprint.post("/<channel>")
@access.allow("campaigns.edit")
def proceed(public_id: str, channel: str) -> AnyResponse:
    """Save, then on to the next channel without content, else to the schedule."""
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        try:
            campaign = _save(session, campaign, channel)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return composer.invalid(refused)
        version = content.version_of(session, campaign)
        written = version.content if version else {}
        missing = [c for c in campaign.channels if c not in written and c != channel]
    return pages.go(
        composer.step_url(public_id, f"content/{missing[0]}" if missing else "schedule")
    )


@blueprint.post("/<channel>/_check")
@access.allow("campaigns.edit")
def check(public_id: str, channel: str) -> AnyResponse:
    """Keep what was typed; answer everything around the fields, never the fields themselves."""
    composer.must_be_fragment()
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        try:
            campaign = _save(session, campaign, channel)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return composer.invalid(refused)
        context = campaign_editing.context(session, campaign, channel)
        answer = composer.saved(campaign, "campaigns/_checked.html", **context)
    return pages.trigger(answer, editor_marks={"marks": context["panel"].marks})


@blueprint.post("/<channel>/begin")
@access.allow("campaigns.edit")
def begin(public_id: str, channel: str) -> AnyResponse:
    """Take a template's content for this channel, and for those that say nothing yet."""
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        template = templates.get(session, ids.decode("tpl", request.form.get("template", "")))
        version = content.version_of(session, campaign)
        written = version.content if version else {}
        wanted = [c for c in campaign.channels if c == channel or c not in written]
        by, now = current_user.id, clock.now()
        try:
            content.begin_with(session, campaign.id, composer.seen(), template, wanted, by, now)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
    return pages.go(url_for("campaign_content.show", public_id=public_id, channel=channel))


@blueprint.get("/<channel>/_templates")
@access.allow("campaigns.edit")
def pick(public_id: str, channel: str) -> Response:
    """Templates to begin with."""
    typed = request.args.get("template_q", "")[:100]
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        found = campaign_editing.template_choices(session, campaign, channel, typed)
        home = composer.step_url(public_id, f"content/{channel}")
        return pages.fragment(
            "campaigns/_templates.html",
            home,
            public_id=public_id,
            channel=channel,
            found=found,
            typed=typed,
        )


@blueprint.get("/<channel>/_stage")
@access.allow("campaigns.edit")
def stage(public_id: str, channel: str) -> Response:
    """The preview alone: another person, width or theme."""
    with transaction() as session:
        campaign = _find(session, public_id, channel)
        context = campaign_editing.context(session, campaign, channel)
        home = composer.step_url(public_id, f"content/{channel}")
        return pages.fragment("campaigns/_stage.html", home, public_id=public_id, **context)


@blueprint.get("/<channel>/_people")
@access.allow("people.find")
def people(public_id: str, channel: str) -> Response:
    """People to preview as, by name, address or id."""
    typed = request.args.get("person_q", "")[:200]
    with transaction() as session:
        _find(session, public_id, channel)
        found = content_stage.find_people(session, typed)
    home = composer.step_url(public_id, f"content/{channel}")
    return pages.fragment(
        "campaigns/_people.html",
        home,
        people=found,
        typed=typed,
        public_id=public_id,
        channel=channel,
        look=content_stage.look(request.args),
    )


@blueprint.get("/email/_preview")
@access.allow("campaigns.view")
def preview(public_id: str) -> Response:
    """The e-mail as a page of its own, for a sandboxed frame."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        version = content.version_of(session, campaign)
        written = version.content if version else {}
        look = content_stage.look(request.args)
        may_see = access.may("people.find")
        built = content_stage.build(session, written, {}, "email", look, may_see_people=may_see)
    html = built.result.html if isinstance(built.result, RenderedEmail) else ""
    answer = Response(content_stage.themed(html, look.theme), mimetype="text/html")
    answer.headers["Content-Security-Policy"] = PREVIEW_POLICY
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _find(session: Session, public_id: str, channel: str) -> Campaign:
    if channel not in content_form.PARTS:
        raise NotFound("There is no such channel.")
    return composer.find(session, public_id)


def _save(session: Session, campaign: Campaign, channel: str) -> Campaign:
    now, by = clock.now(), current_user.id
    written = campaign_editing.merged(session, campaign, channel, request.form)
    saved = content.save(session, campaign.id, composer.seen(), written, by, now)
    name = request.form.get("name")
    if name is not None and name.strip() != saved.name:
        saved = drafts.save(session, campaign.id, None, {"name": name}, by, now)
    return saved


def _page(session: Session, campaign: Campaign, channel: str) -> Response:
    context: dict[str, Any] = composer.frame(session, campaign, "content")
    context |= campaign_editing.context(session, campaign, channel)
    context["found"] = campaign_editing.template_choices(session, campaign, channel, "")
    return pages.page("campaigns/content.html", **context)
