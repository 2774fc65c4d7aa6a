"""What an alert means and what to do about it, by the kind of its cause."""

from collections.abc import Mapping
from typing import Final

from app.alerts.models import Incident
from app.console import filters
from app.sending.verdict import PROVIDERS

# Kind of cause -> what to do.
_TO_DO: Final[Mapping[str, str]] = {
    "failing": "Look at the provider's status page and at your network. Messages are kept and "
    "tried again by themselves; the alert closes when one is taken.",
    "config_error": "Check the key, the sender and the account at the provider. The queue waits "
    "and goes on by itself within half a minute once the set-up works.",
    "gave_up": "The messages are dead letters now. Once the provider works again, retry them.",
    "poison": "Look into the log of the workers for the reason, then retry or discard the "
    "messages among the dead letters.",
    "dropped": "The provider refuses to send these on. Look into its activity page.",
    "maybe_stop": "Read the text at the provider and opt the person out if that is what they want.",
}
_LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "gave_up": ("Open dead letters", "/dead-letters"),
    "poison": ("Open dead letters", "/dead-letters"),
    "failing": ("Open queues", "/queues"),
    "config_error": ("Open providers", "/providers"),
}


def to_do(incident: Incident) -> str:
    """What somebody should do about it."""
    return _TO_DO.get(_kind(incident), "Look into the details, then close the alert.")


def link(incident: Incident) -> tuple[str, str] | None:
    """Where to go: words and path."""
    return _LINKS.get(_kind(incident))


def title(incident: Incident) -> str:
    """The title with the provider's name as people write it."""
    first, _, rest = incident.title.partition(" ")
    return f"{PROVIDERS.get(first, first)} {rest}".strip()


def span(incident: Incident) -> str:
    """`312 times since Today, 10:33`."""
    times = filters.plural(incident.count, "time")
    return f"{times} since {filters.within(incident.first_at)}"


def state(incident: Incident) -> str:
    """A word of `words.OTHER`."""
    if incident.resolved_at is not None:
        return "resolved"
    return "acknowledged" if incident.acknowledged_at is not None else "firing"


def _kind(incident: Incident) -> str:
    for part in incident.cause.split(":"):
        if part in _TO_DO:
            return part
    return ""
