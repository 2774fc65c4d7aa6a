"""Who may do what in the console: one table, used by routes, the menu and buttons.

Deny by default: a permission lists every role that has it. Hide what a role cannot open.
"""

from collections.abc import Mapping
from typing import Final

OWNER, MARKETER, SUPPORT, DEVELOPER, VIEWER = ROLES = (
    "owner",
    "marketer",
    "support",
    "developer",
    "viewer",
)
STAFF: Final = (OWNER, MARKETER, SUPPORT, DEVELOPER)
TECHNICAL: Final = (OWNER, DEVELOPER)
WATCHERS: Final = (OWNER, SUPPORT, DEVELOPER, VIEWER)

MEANING: Final[Mapping[str, str]] = {
    OWNER: "Everything, and who else may come in",
    MARKETER: "Campaigns, templates and segments",
    SUPPORT: "Finds people and messages, suppresses addresses",
    DEVELOPER: "Templates, API keys, providers and queues",
    VIEWER: "Looks, and changes nothing",
}

MAY: Final[Mapping[str, tuple[str, ...]]] = {
    "overview.view": ROLES,
    "analytics.view": ROLES,
    "campaigns.view": ROLES,
    "campaigns.edit": (OWNER, MARKETER),
    "templates.view": ROLES,
    "templates.edit": (OWNER, MARKETER, DEVELOPER),
    "people.find": STAFF,
    "people.edit": (OWNER, MARKETER),
    "people.suppress": (OWNER, MARKETER, SUPPORT),
    "segments.view": (OWNER, MARKETER, DEVELOPER, VIEWER),
    "segments.edit": (OWNER, MARKETER),
    "messages.find": STAFF,
    # What a message said is personal; a developer sees only what went to the sandbox.
    "messages.content": (OWNER, SUPPORT, DEVELOPER),
    # Cancel a message that waits, send one again.
    "messages.act": (OWNER, SUPPORT, DEVELOPER),
    "queues.view": WATCHERS,
    "queues.act": TECHNICAL,
    "providers.edit": TECHNICAL,
    "drill.run": TECHNICAL,
    "keys.edit": TECHNICAL,
    "audit.view": STAFF,
    "audit.all": TECHNICAL,
    "settings.view": TECHNICAL,
    "settings.edit": (OWNER,),
    "members.edit": (OWNER,),
    "account.edit": ROLES,
}


def may(role: str | None, permission: str) -> bool:
    """Whether the role has the permission. A name that is not in the table is a KeyError."""
    return role in MAY[permission]
