"""A test send: what the draft says now, filled in for the previewed person, to one address."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, g
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.audience.models import Topic
from app.campaigns import content
from app.campaigns.models import Campaign
from app.console import access, composer, content_stage, forms, pages
from app.console.typed_recipient import recipient
from app.content import drafts
from app.db import transaction
from app.errors import Invalid
from app.sending.accept import accept
from app.sending.requests import AcceptedMessage, Caller, Recipient, SendRequest

blueprint: Final = Blueprint("campaign_test", __name__, url_prefix="/campaigns/<public_id>")


@blueprint.post("/test")
@access.allow("campaigns.edit")
def send(public_id: str) -> AnyResponse:
    """One message on one channel; it goes the way of every other message."""
    channel, now = forms.text("test_channel"), clock.now()
    try:
        to = recipient(channel, forms.text("to"))
        with transaction() as session:
            campaign = composer.find(session, public_id)
            message = _send(session, campaign, channel, to)
            detail = {"channel": channel}
            audit.record(session, access.actor(), "campaign.test", campaign.name, detail, now)
    except Invalid as refused:
        answer = pages.page("campaigns/_tested.html", error=refused.message, message=None)
        answer.status_code = 422
        answer.headers["HX-Retarget"] = "#tested"
        return answer
    return pages.page(
        "campaigns/_tested.html", error="", message=message, to=forms.text("to"), channel=channel
    )


def _send(session: Session, campaign: Campaign, channel: str, to: Recipient) -> AcceptedMessage:
    version = content.version_of(session, campaign)
    written = version.content if version else {}
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    if channel not in written or version is None:
        raise Invalid.one("/to", "no_content", "There is nothing to send on this channel yet.")
    if topic is None:
        message = "Choose the campaign's topic first: it decides how a message may go out."
        raise Invalid.one("/to", "no_topic", message)
    now = clock.now()
    frozen = drafts.freeze(session, {channel: written[channel]}, version.based_on_id, now)
    request = SendRequest(
        to=to,
        version_id=frozen,
        topic=topic.key,
        channels=(channel,),
        data=_data(session, campaign, version.sample_data),
        metadata={"test_of": campaign.name, "by": current_user.name},
    )
    answer = accept(session, [request], Caller("test", g.request_id), now)[0]
    if isinstance(answer, Invalid):
        raise answer
    return answer.messages[0]


def _data(session: Session, campaign: Campaign, sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """The previewed person's values, given as data: the address itself is nobody we know."""
    may_see = access.may("people.find")
    person = content_stage.choose(session, forms.text("person"), may_see_people=may_see)
    values = dict(content_stage.values_for(person, sample))
    values.pop("person", None)
    return {**values, "campaign": {"name": campaign.name}}
