"""Providers: who carries each channel, how it has been answering, and a test of it."""

from typing import Any, Final

from flask import Blueprint, Response, current_app, g, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.audience import topics
from app.channels.carriers import CHANNELS, Carrier, carrier, carriers
from app.console import access, forms, pages
from app.console.typed_recipient import recipient
from app.db import transaction
from app.errors import Invalid, NotFound
from app.sending import breaker, provider_queries
from app.sending.accept import accept
from app.sending.provider_queries import Health
from app.sending.requests import AcceptedMessage, Caller, SendRequest
from app.sending.verdict import PROVIDERS
from app.settings import Settings
from app.tracking import receipts

blueprint = Blueprint("providers", __name__, url_prefix="/providers")
# Below this many answers a rate says nothing.
ENOUGH: Final = 20
_WEBHOOKS: Final = {
    "sendgrid": ("SendGrid events", "/hooks/sendgrid"),
    "twilio_status": ("Twilio status callbacks", "/hooks/twilio/status"),
    "twilio_inbound": ("Twilio incoming texts", "/hooks/twilio/inbound"),
}
_TEXT: Final = "This is a test from Herald, sent by {name}. Nothing needs to be done."


@blueprint.get("")
@access.allow("providers.edit")
def index() -> Response:
    """One card per channel."""
    now = clock.now()
    settings: Settings = current_app.config["HERALD"]
    with transaction() as session:
        health = provider_queries.health(session, now)
        hours = provider_queries.last_hours(session, now)
        troubled = breaker.troubled(session)
        waiting = receipts.waiting(session)
    return pages.page(
        "providers/index.html",
        rows=[
            {
                "carrier": one,
                "name": _name(one),
                "health": health.get(one.provider),
                "state": _state(one, health.get(one.provider), one.provider in troubled),
                "trouble": troubled.get(one.provider),
                "last_hour": hours.get(one.channel),
            }
            for one in carriers(settings)
        ],
        webhooks=[
            {"label": label, "path": path, "waiting": waiting.get(name, 0)}
            for name, (label, path) in _WEBHOOKS.items()
        ],
        public_url=settings.public_url,
        sandbox_url=settings.sandbox_url,
        me=current_user.email,
    )


@blueprint.post("/<channel>/test")
@access.allow("providers.edit")
def test(channel: str) -> AnyResponse:
    """Send a small message through this provider, the way of every other, and show its page."""
    if channel not in CHANNELS:
        raise NotFound("There is no such channel.")
    now = clock.now()
    settings: Settings = current_app.config["HERALD"]
    try:
        with transaction() as session:
            message = _send(session, channel, forms.text("to"))
            provider = carrier(settings, channel).provider
            audit.record(session, access.actor(), "provider.test", provider, None, now)
    except Invalid as refused:
        answer = pages.page("providers/_error.html", error=refused.message)
        return forms.refused(answer, f"#error-{channel}")
    return pages.go(url_for("messages.show", public_id=message.public_id))


def _send(session: Session, channel: str, typed: str) -> AcceptedMessage:
    facts = topics.facts(session).values()
    topic = next((fact.key for fact in facts if fact.klass != "marketing"), None)
    if topic is None:
        message = "Make a topic for service messages first: a test goes out under it."
        raise Invalid.one("/to", "no_topic", message)
    text = _TEXT.format(name=current_user.name)
    request = SendRequest(
        to=recipient(channel, typed),
        content={channel: _content(channel, text)},
        topic=topic,
        channels=(channel,),
        metadata={"test_of": "provider", "by": current_user.name},
    )
    answer = accept(session, [request], Caller("test", g.request_id), clock.now())[0]
    if isinstance(answer, Invalid):
        raise answer
    return answer.messages[0]


def _content(channel: str, text: str) -> dict[str, Any]:
    if channel == "email":
        return {"subject": "A test from Herald", "text": text}
    return {"body": text} if channel == "sms" else {"title": "Herald", "body": text}


def _state(one: Carrier, health: Health | None, troubled: bool) -> str:
    """A word of `words.OTHER`."""
    if not one.configured or troubled:
        return "down"
    if health and health.answers >= ENOUGH and health.failed * 2 > health.answers:
        return "down"
    if health and health.answers >= ENOUGH and health.accepted < 0.95 * health.answers:
        return "slow"
    return "sandbox" if one.sandbox else "connected"


def _name(one: Carrier) -> str:
    provider = PROVIDERS[one.provider].replace("The m", "M")
    service = {"apns": " Push Notification service", "fcm": " Firebase Cloud Messaging"}
    return provider + service.get(one.provider, "")
