"""The blueprints of the API, one per noun."""

from typing import Final

from app.api import (
    campaigns,
    contacts,
    devices,
    events,
    notifications,
    preferences,
    segments,
    templates,
)
from app.api.operations import Operations

BLUEPRINTS: Final[tuple[Operations, ...]] = (
    notifications.api,
    contacts.api,
    devices.api,
    preferences.api,
    events.api,
    segments.api,
    templates.api,
    campaigns.api,
)
