"""The cards of the providers page: how each provider is, who steps in for it, and its limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.channels.carriers import Carrier, carriers
from app.sending import breaker, engine, pace, provider_queries
from app.sending.models import ProviderAccount
from app.sending.provider_queries import Health
from app.sending.vocabulary import CHANNEL_WORDS, PROVIDERS, TROUBLES
from app.settings import Settings

# Below this many answers a rate says nothing.
ENOUGH: Final = 20
_TURNS: Final = ("first choice", "second choice")


@dataclass(frozen=True, slots=True)
class Card:
    """One provider. `route` says who carries its messages while it fails, `rate` its limit."""

    carrier: Carrier
    name: str
    turn: str
    state: str
    health: Health | None
    last_hour: datetime | None
    trouble: ProviderAccount | None
    cause: str
    route: str
    rate: int | None


def cards(session: Session, settings: Settings, now: datetime) -> list[Card]:
    """One per provider, in the order of the channels."""
    health = provider_queries.health(session, now)
    hours = provider_queries.last_hours(session, now)
    troubled = breaker.troubled(session)
    found = carriers(settings)
    rates = pace.rates(session, [pace.of_provider(one.provider) for one in found])
    return [
        _card(
            one,
            health=health.get(one.provider),
            last_hour=hours.get(one.channel),
            troubled=troubled,
            rate=rates.get(pace.of_provider(one.provider)),
        )
        for one in found
    ]


def name(provider: str) -> str:
    """What the company calls it."""
    service = {"apns": " Push Notification service", "fcm": " Firebase Cloud Messaging"}
    return PROVIDERS[provider].replace("The m", "M") + service.get(provider, "")


def _card(
    one: Carrier,
    *,
    health: Health | None,
    last_hour: datetime | None,
    troubled: Mapping[str, ProviderAccount],
    rate: int | None,
) -> Card:
    trouble = troubled.get(one.provider)
    route = engine.current().providers.route(one.channel)
    shared = len(route) > 1
    return Card(
        carrier=one,
        name=name(one.provider),
        turn=_TURNS[one.place] if shared else "",
        state=_state(one, health, trouble),
        health=health,
        last_hour=None if shared else last_hour,  # counted by channel, not by provider
        trouble=trouble,
        cause=_cause(trouble),
        route=_route(one, route, troubled),
        rate=rate,
    )


def _cause(trouble: ProviderAccount | None) -> str:
    """What is wrong with it, in a sentence; empty when nothing is known."""
    words = TROUBLES.get((trouble.cause if trouble else None) or "")
    return f"It {words}." if words else ""


def _route(one: Carrier, route: Sequence[str], troubled: Mapping[str, ProviderAccount]) -> str:
    """Who steps in, in a sentence; empty when there is nothing to say."""
    word = CHANNEL_WORDS[one.channel]
    sound = [provider for provider in route if provider not in troubled]
    others = [name(provider) for provider in sound if provider != one.provider]
    if one.provider in troubled:
        if others:
            return f"While it fails, {word} goes by {others[0]}."
        return "What would go this way waits. Nothing is lost."
    if one.place:
        first = name(route[0])
        if route[0] in troubled:
            return f"Carries {word} now, while {first} fails."
        return f"Steps in while {first} fails."
    return f"While it fails, {word} would go by {others[0]}." if others else ""


def _state(one: Carrier, health: Health | None, trouble: ProviderAccount | None) -> str:
    """A word of `words.OTHER`."""
    if trouble is not None and trouble.cause == "throttled":
        return "resting"
    if not one.configured or trouble is not None:
        return "down"
    if health and health.answers >= ENOUGH and health.failed * 2 > health.answers:
        return "down"
    if health and health.answers >= ENOUGH and health.accepted < 0.95 * health.answers:
        return "slow"
    return "sandbox" if one.sandbox else "connected"
