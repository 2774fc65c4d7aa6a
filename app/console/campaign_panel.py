"""The live panel of the audience step: the count, a few people, "Would someone get it?"."""

from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.audience import contact_search, contacts
from app.audience.models import CHANNELS, Topic
from app.campaigns import samples, waterfall, would
from app.campaigns.models import Campaign
from app.console import access, composer, pages
from app.db import transaction

blueprint: Final = Blueprint("campaign_panel", __name__, url_prefix="/campaigns/<public_id>")
SAMPLES: Final = 4


@blueprint.post("/_audience")
@access.allow("campaigns.edit")
def audience(public_id: str) -> AnyResponse:
    """The live panel: the count, how it is reached, a few people."""
    composer.must_be_fragment()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        context = build(session, campaign)
        return pages.page(
            "campaigns/_counted.html", public_id=public_id, campaign=campaign, **context
        )


@blueprint.get("/_few")
@access.allow("campaigns.edit")
def few(public_id: str) -> Response:
    """Some other people who would get it."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        found = _samples(session, campaign, gathered=False)
        home = composer.step_url(public_id, "audience")
        return pages.fragment("campaigns/_few.html", home, few=found, public_id=public_id)


@blueprint.get("/_would")
@access.allow("campaigns.edit")
def would_get(public_id: str) -> Response:
    """Would this person get it, and if not, what stops them first?"""
    typed = request.args.get("would", "").strip()
    with transaction() as session:
        campaign = composer.find(session, public_id)
        found = list(contact_search.exact_matches(session, typed, 1)) if typed else []
        if not found and len(typed) >= 2:
            found = list(contact_search.search(session, typed, limit=1).page.items)
        person = found[0] if found else None
        answer = would.answer(session, campaign, person, clock.now()) if person else None
        topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
        return pages.fragment(
            "campaigns/_would.html",
            composer.step_url(public_id, "audience"),
            typed=typed,
            person=person,
            name=contacts.display_name(person) if person else "",
            person_id=ids.encode("con", person.id) if person else "",
            answer=answer,
            topic=topic,
        )


def build(session: Session, campaign: Campaign) -> dict[str, Any]:
    """Count the people; a draft remembers the number for the list."""
    now = clock.now()
    fall = waterfall.count(session, campaign, now)
    if campaign.status == "draft" and campaign.people != fall.matched:
        campaign.people = fall.matched
    return {
        "fall": fall,
        "counted_at": now,
        "few": _samples(session, campaign, gathered=True),
        "channels": CHANNELS,
    }


def _samples(session: Session, campaign: Campaign, *, gathered: bool) -> list[dict[str, Any]]:
    """Names for who may see people; for others nobody is shown."""
    found = samples.some(session, campaign, SAMPLES, clock.now(), gathered=gathered)
    return [
        {
            "id": ids.encode("con", sample.contact.id),
            "name": contacts.display_name(sample.contact),
            "sub": ", ".join(filter(None, (sample.contact.country, sample.contact.locale))),
            "channels": sample.channels,
        }
        for sample in found
    ]
