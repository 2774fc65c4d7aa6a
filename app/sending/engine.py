"""What a sending process needs besides the database: put together once, then passed along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from flask import Flask, current_app

from app.channels.base import Provider
from app.channels.registry import Registry
from app.sending.health import Health
from app.settings import Settings
from app.signing import Signer

_EXTENSION: Final = "herald_engine"


class Registered(Protocol):
    """Who carries a channel's messages; a test key's messages always go to the sandbox."""

    def route(self, channel: str, test: bool = False) -> Sequence[str]:
        """Names of the channel's providers, the first choice first."""
        ...

    def channels(self, provider: str) -> list[str]:
        """The channels that a provider may carry."""
        ...

    def named(self, provider: str, test: bool = False) -> Provider:
        """The adapter."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """Providers and how they are, signers, and the few settings that end up inside messages."""

    providers: Registered
    owner: str
    public_url: str
    mail_from: str
    mail_from_name: str
    signers: Mapping[str, Signer]
    retry_attempts: int | None
    health: Health = field(default_factory=Health)


def build(settings: Settings, owner: str) -> Engine:
    """The engine of this process; `owner` names it in leases."""
    return Engine(
        providers=Registry(settings),
        owner=owner,
        public_url=settings.public_url,
        mail_from=settings.mail_from,
        mail_from_name=settings.mail_from_name,
        signers={
            purpose: Signer(settings.secret_key, purpose, settings.old_secret_keys)
            for purpose in ("track", "unsubscribe", "preferences", "device")
        },
        retry_attempts=settings.retry_attempts,
    )


def init_app(app: Flask, settings: Settings) -> None:
    """Give the app an engine of its own: for explanations and previews."""
    app.extensions[_EXTENSION] = build(settings, "web")


def current() -> Engine:
    """The current app's engine."""
    found: Engine = current_app.extensions[_EXTENSION]
    return found
