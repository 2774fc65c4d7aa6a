"""The blueprints of the unauthenticated door. Each has a lock of its own: signatures and tokens."""

from typing import Final

from flask import Blueprint

from app.hooks import engagement, subscriptions, webhooks

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    webhooks.blueprint,
    engagement.blueprint,
    subscriptions.blueprint,
)

#: Those whose callers are providers and mail programs: they have no session and see no page.
MACHINES: Final[tuple[Blueprint, ...]] = (webhooks.blueprint, engagement.blueprint)
