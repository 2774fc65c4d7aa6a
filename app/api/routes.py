"""The blueprints of the API, one per noun."""

from typing import Final

from app.api import notifications
from app.api.operations import Operations

BLUEPRINTS: Final[tuple[Operations, ...]] = (notifications.api,)
