"""What the views of this package share: settings, signers, what collects in this process."""

from collections.abc import Sequence
from typing import Final, cast

from flask import Flask, current_app

from app import clock, jobs
from app.db import each_by_itself, transaction
from app.gather import Gatherer
from app.hooks.intake import Intake
from app.hooks.refusals import Refusals
from app.settings import Settings
from app.tracking import engagement, receipts
from app.tracking.buffer import Buffer
from app.tracking.engagement import Hit
from app.tracking.receipts import Post
from app.tracking.targets import Place, Target, targets
from app.tracking.tokens import Tokens

APPLY: Final = "apply_receipts"
_TOKENS: Final = "herald_tokens"
_BUFFER: Final = "herald_tracking_buffer"
_LINKS: Final = "herald_link_look_up"
LOOK_UP_SECONDS: Final = 0.001
_INTAKE: Final = "herald_webhook_intake"
_REFUSALS: Final = "herald_webhook_refusals"


def settings() -> Settings:
    """What the current app was told from outside."""
    return cast(Settings, current_app.config["HERALD"])


def tokens() -> Tokens:
    """The signers of the current app."""
    found = current_app.extensions.get(_TOKENS)
    if not isinstance(found, Tokens):
        found = current_app.extensions[_TOKENS] = Tokens.of(settings())
    return found


def buffer() -> Buffer:
    """Where this process collects opens and clicks."""
    found = current_app.extensions.get(_BUFFER)
    if isinstance(found, Buffer):
        return found
    app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]

    def write(hits: Sequence[Hit]) -> None:
        with app.app_context(), transaction() as session:
            engagement.record(session, hits, clock.now())

    return cast(Buffer, app.extensions.setdefault(_BUFFER, Buffer(write)))


def intake() -> Intake:
    """Where this process commits webhooks, those that come together in one transaction."""
    found = current_app.extensions.get(_INTAKE)
    if isinstance(found, Intake):
        return found
    return cast(Intake, current_app.extensions.setdefault(_INTAKE, Intake(_keep, _ask_to_apply)))


def refusals() -> Refusals:
    """What this process counts of reports that cannot be verified."""
    found = current_app.extensions.get(_REFUSALS)
    if isinstance(found, Refusals):
        return found
    return cast(Refusals, current_app.extensions.setdefault(_REFUSALS, Refusals()))


def links() -> Gatherer[Place, Target | None]:
    """Where this process looks up what is clicked on, together what comes together."""
    found = current_app.extensions.get(_LINKS)
    if found is None:
        made = Gatherer(_look_up, linger=LOOK_UP_SECONDS, eager=True)
        found = current_app.extensions.setdefault(_LINKS, made)
    return cast("Gatherer[Place, Target | None]", found)


def _look_up(places: Sequence[Place]) -> Sequence[Target | None]:
    with transaction() as session:
        each_by_itself(session)
        return targets(session, places, clock.now())


def _keep(posts: Sequence[Post]) -> None:
    with transaction() as session:
        each_by_itself(session)  # one statement keeps them all
        receipts.store_all(session, posts, clock.now())


def _ask_to_apply() -> None:
    jobs.ask_once(APPLY)
