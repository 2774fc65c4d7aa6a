"""The blueprints of the unauthenticated door. Each has a lock of its own: signatures and tokens."""

from typing import Final

from flask import Blueprint

from app.hooks import engagement, subscriptions, webhooks

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    webhooks.blueprint,
    engagement.blueprint,
    subscriptions.blueprint,
)
