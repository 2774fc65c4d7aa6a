"""What an alert means and what to do about it, by the kind of its cause."""

from collections.abc import Mapping
from typing import Final

from app import ids
from app.alerts.models import Incident
from app.console import filters
from app.sending.vocabulary import PROVIDERS

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
    "books": "Keep the details for whoever looks into it. The alert closes by itself when they "
    "balance again.",
    "installation": "Look at what would go out. An owner releases it if this is the real one, or "
    "discards what waits.",
    "late": "Open the campaign: send it now, choose a new time, or cancel it. That closes the "
    "alert.",
    "stage": "Look whether the scheduler and the workers of this queue run, and into their logs. "
    "The alert closes when nothing waits too long any more.",
    "mass_removal": "Find out whether they are really dead: a wrong key, project or environment "
    "looks the same. If they are, close this alert and Herald removes them for an hour; if not, it "
    "closes ten minutes after the last one.",
    "policy": "Check SPF, DKIM, DMARC and block lists, then ask the domain's postmaster.",
    "unmapped": "Look the code up in the provider's documentation.",
    "adapter": "Look at one of the messages: is a value malformed? If not, Herald is at fault.",
    "reports": "Compare the webhook key, or Twilio's token and the public address, with those that "
    "are set here. The alert closes ten minutes after the last one.",
    "region": "Enable the country at the provider, or leave it out of your audiences.",
    "loop": "Find the program that sends to one number again and again.",
    "absurd_wait": "Look at the provider's status page.",
    "key_updates": "Make sure that no other program renews tokens with the same key.",
    "login_lasts": "Look at the mail server: it answers 454 to every log-in.",
    "mismatch": "Compare the service account's project with the one the app was built with.",
    "daily_cap": "Ask the provider for a higher daily limit, or spread campaigns over more days.",
    "maybe_stop": "Read the text at the provider and opt the person out if that is what they want.",
}
_LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "gave_up": ("Open dead letters", "/dead-letters"),
    "poison": ("Open dead letters", "/dead-letters"),
    "failing": ("Open queues", "/queues"),
    "config_error": ("Open providers", "/providers"),
    "books": ("Open queues", "/queues"),
    "reports": ("Open providers", "/providers"),
    "installation": ("What would go out", "/hold"),
}
_STAGES: Final[Mapping[str, tuple[str, str]]] = {
    "unknown": ("Open these messages", "/messages?status=unknown"),
    "silent": ("Open providers", "/providers"),
    "receipts": ("Open providers", "/providers"),
}
_SILENT: Final = (
    "Check at the provider that its reports of deliveries are sent to this address, and that they "
    "are signed with the key that is set here."
)


def to_do(incident: Incident) -> str:
    """What somebody should do about it."""
    if incident.facts.get("stage") == "silent":
        return _SILENT
    return _TO_DO.get(_kind(incident), "Look into the details, then close the alert.")


def link(incident: Incident) -> tuple[str, str] | None:
    """Where to go: words and path."""
    kind, where = _kind(incident), str(incident.facts.get("where", ""))
    if kind == "stage":
        return _stage_link(str(incident.facts.get("stage")), where)
    campaign = incident.facts.get("campaign_id")
    if campaign:
        return "Open the campaign", f"/campaigns/{ids.encode('cmp', campaign)}"
    return _LINKS.get(kind)


def _stage_link(stage: str, where: str) -> tuple[str, str]:
    if stage in ("launching", "scheduled"):
        return "Open the campaign", f"/campaigns/{ids.encode('cmp', int(where))}"
    if stage == "import":
        return "Open the import", f"/people/import/{ids.encode('imp', int(where))}"
    return _STAGES.get(stage, ("Open queues", "/queues"))


def title(incident: Incident) -> str:
    """The title with the provider's name as people write it."""
    first, _, rest = incident.title.partition(" ")
    return f"{PROVIDERS.get(first, first)} {rest}".strip()


def span(incident: Incident) -> str:
    """`312 times since today, 10:33`, or `4 messages since …` where they are counted."""
    times = filters.plural(incident.count, str(incident.facts.get("unit", "time")))
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
