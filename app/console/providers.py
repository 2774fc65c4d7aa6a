"""Providers: who carries each channel, how it has been answering, its limit, and a test of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, current_app, flash, g, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.audience import topics
from app.channels.carriers import CHANNELS, carrier, carriers
from app.console import access, forms, pages, provider_cards
from app.console.filters import plural
from app.console.typed_recipient import recipient
from app.db import transaction
from app.errors import Conflict, Invalid, NotFound
from app.sending import breaker, engine, pace
from app.sending.accept import accept
from app.sending.requests import AcceptedMessage, Caller, SendRequest
from app.settings import Settings
from app.tracking import receipts

blueprint = Blueprint("providers", __name__, url_prefix="/providers")
_WEBHOOKS: Final = {
    "sendgrid": ("SendGrid events", "/hooks/sendgrid"),
    "twilio_status": ("Twilio status callbacks", "/hooks/twilio/status"),
    "twilio_inbound": ("Twilio incoming texts", "/hooks/twilio/inbound"),
}
_TEXT: Final = "This is a test from Herald, sent by {name}. Nothing needs to be done."


@blueprint.get("")
@access.allow("providers.edit")
def index() -> Response:
    """One card per provider."""
    with transaction() as session:
        return _page(session)


@blueprint.get("/<provider>/state")
@access.allow("providers.edit")
def state(provider: str) -> Response:
    """How one provider is, asked for while it is in trouble."""
    _known(provider)
    settings: Settings = current_app.config["HERALD"]
    now = clock.now()
    with transaction() as session:
        found = provider_cards.cards(session, settings, now)
    row = next(card for card in found if card.carrier.provider == provider)
    beside = [card for card in found if card.carrier.channel == row.carrier.channel]
    beside.remove(row)
    home = url_for("providers.index")
    return pages.fragment("providers/_state.html", home, row=row, beside=beside, now=now)


@blueprint.post("/<provider>/try-now")
@access.allow("providers.edit")
def try_now(provider: str) -> AnyResponse:
    """Let one message find out whether the provider is well again."""
    now = clock.now()
    name = _known(provider)
    with transaction() as session:
        if provider not in breaker.troubled(session):
            raise Conflict(f"{name} is well: messages go to it as usual.")
        asked = breaker.try_now(session, engine.current(), provider, now)
        audit.record(session, access.actor(), "provider.try", provider, None, now)
    if asked:
        flash(f"Trying {name} now. Its card shows what came of it.", "done")
    else:
        flash(f"Nothing waits for {name}. The next message tries it.", "done")
    return pages.go(url_for("providers.index"))


@blueprint.post("/<provider>/limit")
@access.allow("providers.edit")
def limit(provider: str) -> AnyResponse:
    """At most so many messages per second through this account; empty: no limit."""
    now = clock.now()
    name = _known(provider)
    try:
        rate = forms.per_second("rate")
        with transaction() as session:
            _limit(session, provider, rate, now)
    except Invalid as refused:
        with transaction() as session:
            return _page(session, {provider: (forms.text("rate"), refused.message)}, 422)
    most = f"At most {plural(rate, 'message')} per second" if rate else "No limit"
    flash(f"{most} for {name}.", "done")
    return pages.go(url_for("providers.index"))


def _limit(session: Session, provider: str, rate: int | None, now: datetime) -> None:
    """Set it, and write down what changed. Raises Invalid."""
    wrong = pace.problems(rate, "/rate")
    if wrong:
        raise Invalid(wrong)
    key = pace.of_provider(provider)
    before = pace.rates(session, [key]).get(key)
    pace.limit(session, key, rate)
    if rate is None:
        channels = engine.current().providers.channels(provider)
        pace.no_more(session, channels=channels)
    detail = audit.changes({forms.PER_SECOND: before}, {forms.PER_SECOND: rate})
    if detail:
        audit.record(session, access.actor(), "provider.change", provider, detail, now)


def _known(provider: str) -> str:
    """The name of a provider that has a card. Raises NotFound."""
    settings: Settings = current_app.config["HERALD"]
    if provider not in {one.provider for one in carriers(settings) if one.configured}:
        raise NotFound("There is no such provider.")
    return provider_cards.name(provider)


def _page(
    session: Session, refused: Mapping[str, tuple[str, str]] | None = None, status: int = 200
) -> Response:
    """`refused`: provider -> what was typed as its limit, and what is wrong with it."""
    settings: Settings = current_app.config["HERALD"]
    waiting, now = receipts.waiting(session), clock.now()
    answer = pages.page(
        "providers/index.html",
        rows=provider_cards.cards(session, settings, now),
        now=now,
        refused=refused or {},
        errors={f"rate-{key}": message for key, (_, message) in (refused or {}).items()},
        webhooks=[
            {"label": label, "path": path, "waiting": waiting.get(name, 0)}
            for name, (label, path) in _WEBHOOKS.items()
        ],
        public_url=settings.public_url,
        sandbox_url=settings.sandbox_url,
        me=current_user.email,
    )
    answer.status_code = status
    return answer


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
