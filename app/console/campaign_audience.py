"""The first step: who gets it, under which topic, on which channels, and how many that are."""

from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, Response, request
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.audience import segments, topics
from app.audience.models import CHANNELS, Segment, Topic
from app.campaigns import drafts
from app.campaigns.drafts import EditedElsewhere
from app.campaigns.models import Campaign
from app.console import access, campaign_panel, composer, forms, pages
from app.db import transaction
from app.errors import Invalid

blueprint: Final = Blueprint("campaign_audience", __name__, url_prefix="/campaigns/<public_id>")
PICKED: Final = 50
LISTS: Final = ("include", "exclude")
KINDS: Final = ("marketing", "service")


@blueprint.get("/audience")
@access.allow("campaigns.edit")
def show(public_id: str) -> AnyResponse:
    """The form and the live panel."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        if away := composer.elsewhere(campaign):
            return away
        context = _form(session, campaign) | campaign_panel.build(session, campaign)
        frame = composer.frame(session, campaign, "audience")
        return pages.page("campaigns/audience.html", **frame, **context)


@blueprint.post("/audience")
@access.allow("campaigns.edit")
def proceed(public_id: str) -> AnyResponse:
    """Save and go on to the content; an added or removed segment comes back here."""
    stays = any(name in request.form for name in ("add", "drop", "move"))
    with transaction() as session:
        campaign = composer.find(session, public_id)
        try:
            _save(session, campaign)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return composer.invalid(refused)
    return pages.go(composer.step_url(public_id, "audience" if stays else "content"))


@blueprint.post("/_save")
@access.allow("campaigns.edit")
def save(public_id: str) -> AnyResponse:
    """Keep what was chosen; answers the save state and what the choice changed in the form."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        try:
            campaign = _save(session, campaign)
        except EditedElsewhere as refused:
            return composer.conflict(session, public_id, refused)
        except Invalid as refused:
            return composer.invalid(refused)
        context = _form(session, campaign)
        answer = composer.saved(campaign, "campaigns/_saved_audience.html", **context)
    return pages.trigger(answer, audience_changed={})


@blueprint.get("/_segments")
@access.allow("campaigns.edit")
def pick(public_id: str) -> Response:
    """Segments to choose from, by a part of their name."""
    which = request.args.get("list", "")
    which = which if which in LISTS else "include"
    typed = request.args.get("segment", "")[:100]
    with transaction() as session:
        campaign = composer.find(session, public_id)
        return pages.fragment(
            "campaigns/_segments.html",
            composer.step_url(public_id, "audience"),
            public_id=public_id,
            which=which,
            choices=_choices(session, campaign, typed),
            typed=typed,
        )


def _save(session: Session, campaign: Campaign) -> Campaign:
    now = clock.now()
    fields: dict[str, Any] = {"name": request.form["name"]} if "name" in request.form else {}
    if forms.text("step") == "audience":
        fields |= chosen(session)
    return drafts.save(session, campaign.id, composer.seen(), fields, current_user.id, now)


def chosen(session: Session) -> dict[str, Any]:
    """The form of this step, with a segment added or dropped, or a channel moved."""
    lists = {name: request.form.getlist(name) for name in LISTS}
    which, _, segment = forms.text("add").partition(":")
    if which in LISTS and segment not in lists[which]:
        lists[which].append(segment)
        segments.recount(session, segments.by_public_id(session, segment), clock.now())
    which, _, segment = forms.text("drop").partition(":")
    if which in LISTS:
        lists[which] = [key for key in lists[which] if key != segment]
    return {
        "include_segments": _segment_keys(lists["include"]),
        "exclude_segments": _segment_keys(lists["exclude"]),
        "include_match": forms.text("include_match") or "any",
        "topic_id": _topic(session),
        "channels": _channels(),
        "strategy": forms.text("strategy") or "first",
    }


def _segment_keys(public_ids: Sequence[str]) -> list[int]:
    """Unknown ids become 0, which the domain refuses in words."""
    return [ids.decode("seg", public_id) or 0 for public_id in dict.fromkeys(public_ids)]


def _topic(session: Session) -> int | None:
    """The chosen topic; when another kind of message was chosen, none until one is picked."""
    key, kind = forms.text("topic"), forms.text("kind")
    found = topics.facts(session).get(key) if key else None
    if key and found is None:
        raise Invalid.one("/topic", "unknown_topic", "There is no such topic; choose another one.")
    if found is None or (kind and kind != _kind(found.klass)):
        return None
    return found.id


def _channels() -> list[str]:
    """Switched-on channels in the order of the list, with one of them moved."""
    order = [name for name in request.form.getlist("order") if name in CHANNELS]
    order = list(dict.fromkeys([*order, *CHANNELS]))
    moved, _, way = forms.text("move").partition(":")
    if moved in order:
        place = order.index(moved)
        order.insert(max(place + (-1 if way == "up" else 1), 0), order.pop(place))
    wanted = set(request.form.getlist("channels"))
    return [name for name in order if name in wanted]


def _form(session: Session, campaign: Campaign) -> dict[str, Any]:
    wanted = [*campaign.include_segments, *campaign.exclude_segments]
    found = {s.id: s for s in session.scalars(select(Segment).where(Segment.id.in_(wanted)))}
    everything = topics.all_topics(session)
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    kind = _kind(topic.klass) if topic else forms.text("kind") or "marketing"
    return {
        "include": _listed(campaign.include_segments, found),
        "exclude": _listed(campaign.exclude_segments, found),
        "topic": topic,
        "kind": kind if kind in KINDS else "marketing",
        "topic_options": [(t.key, t.name) for t in everything if _kind(t.klass) == kind],
        "order": [*campaign.channels, *(c for c in CHANNELS if c not in campaign.channels)],
        "choices": _choices(session, campaign, ""),
    }


def _kind(klass: str) -> str:
    return "marketing" if klass == "marketing" else "service"


def _listed(keys: Sequence[int], found: dict[int, Segment]) -> list[tuple[str, Segment]]:
    return [(ids.encode("seg", key), found[key]) for key in keys if key in found]


def _choices(session: Session, campaign: Campaign, typed: str) -> list[tuple[str, Segment]]:
    used = {*campaign.include_segments, *campaign.exclude_segments}
    found = segments.page(session, limit=PICKED, query=typed).items
    return [(ids.encode("seg", s.id), s) for s in found if s.id not in used]
