"""The states of a notification, and the one table that says which may follow which.

Late or repeated news never moves a notification backwards: a `delivered` that arrives after
`bounced` is kept as an event and changes nothing.
"""

from typing import Final

STATUSES: Final = (
    "queued",
    "held",
    "sending",
    "accepted",
    "delivered",
    "bounced",
    "failed",
    "skipped",
    "cancelled",
    "expired",
    "unknown",
)

FORWARD: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset(
        {
            "held",
            "sending",
            "accepted",
            "delivered",
            "bounced",
            "failed",
            "skipped",
            "cancelled",
            "expired",
            "unknown",
        }
    ),
    # One that waits for its next try may have been taken at the last one: a webhook tells.
    "held": frozenset(
        {
            "queued",
            "cancelled",
            "expired",
            "skipped",
            "failed",
            "accepted",
            "delivered",
            "bounced",
        }
    ),
    "sending": frozenset(
        {"accepted", "delivered", "bounced", "failed", "held", "unknown", "queued"}
    ),
    "unknown": frozenset(
        {"queued", "held", "accepted", "delivered", "bounced", "failed", "expired"}
    ),
    "accepted": frozenset({"delivered", "bounced"}),
    # An asynchronous bounce may follow a delivery.
    "delivered": frozenset({"bounced"}),
    # Staff may try a given-up message again.
    "failed": frozenset({"queued", "accepted", "delivered", "bounced"}),
    "bounced": frozenset(),
    "skipped": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}

OPEN: Final = frozenset({"queued", "held", "sending", "unknown"})
HANDED_OVER: Final = frozenset({"accepted", "delivered", "bounced"})
NOT_SENT: Final = frozenset({"skipped", "cancelled", "expired"})
FAILED: Final = frozenset({"failed"})

# Why a message was not sent, or failed. Closed and documented: `docs/api.md` lists them.
REASONS: Final = {
    "no_address": "There is no address for this channel.",
    "opted_out": "The person opted out of this topic on this channel.",
    "suppressed": "The address is on the suppression list.",
    "over_cap": "The person already got as many messages as the cap allows.",
    "quiet_hours": "It was night where the person lives, and the message expired before morning.",
    "expired": "The message expired before it could be handed over.",
    "cancelled": "The message was cancelled before it was handed over.",
    "campaign_cancelled": "The campaign was cancelled.",
    "unknown_contact": "No such person is known.",
    "erased": "The person was erased.",
    "device_gone": "The device is no longer registered for this person.",
    "duplicate_address": "Another person of this audience has the same address.",
    "template_error": "The content could not be rendered for this person.",
    "no_content": "The template has no content for this channel.",
    "recipient_dead": "The provider says that this address can never be reached.",
    "rejected": "The provider refused the message.",
    "gave_up": "All tries were used up.",
    "no_answer": "The provider never answered, and nothing shows that the message went out.",
    "poison": "The message was parked after it stopped three workers.",
    # What the other side said after the provider had taken the message.
    "mailbox_unknown": "The mailbox does not exist.",
    "mailbox_full": "The mailbox is full.",
    "refused": "The receiving side refused the message by its policy.",
    "blocked": "The receiving side did not take the message.",
    "provider_dropped": "The provider did not try, because of what it knows of the address.",
    "unreachable": "The telephone could not be reached.",
    "not_mobile": "The number cannot get text messages.",
    "carrier_busy": "The carrier was too busy to take the message.",
    "carrier_filtered": "The carrier filtered the message.",
    "stopped": "The person had texted STOP.",
    "undeliverable": "The message could not be delivered.",
}


def may_follow(current: str, new: str) -> bool:
    """Whether a notification in `current` may move to `new`."""
    return new in FORWARD[current]


def sources_of(new: str) -> list[str]:
    """The states from which `new` may be entered: for the WHERE of an UPDATE."""
    return [status for status, following in FORWARD.items() if new in following]
