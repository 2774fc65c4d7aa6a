"""The blueprints of the API, one per noun."""

from typing import Final

from app.api import notifications, templates
from app.api.operations import Operations

BLUEPRINTS: Final[tuple[Operations, ...]] = (notifications.api, templates.api)
