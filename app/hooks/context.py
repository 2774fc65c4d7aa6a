"""What the views of this package share: settings, signers, and the buffer of this process."""

from collections.abc import Sequence
from typing import Final, cast

from flask import Flask, current_app

from app import clock
from app.db import transaction
from app.settings import Settings
from app.tracking import engagement
from app.tracking.buffer import Buffer
from app.tracking.engagement import Hit
from app.tracking.tokens import Tokens

_TOKENS: Final = "herald_tokens"
_BUFFER: Final = "herald_tracking_buffer"


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
