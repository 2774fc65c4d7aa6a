"""Reading the signed tokens in links that leave with a message.

The same purposes are used where messages are rendered. A token names a notification, or, in links
that do not belong to one message, a contact.
"""

from dataclasses import dataclass
from typing import Final, Self

from app.settings import Settings
from app.signing import Signer

TRACK: Final = "track"
UNSUBSCRIBE: Final = "unsubscribe"
PREFERENCES: Final = "preferences"
DEVICE: Final = "device"

_CONTACT: Final = b"c"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token stands for: exactly one of the two is set."""

    notification_id: int | None = None
    contact_id: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """One signer per purpose."""

    track: Signer
    unsubscribe: Signer
    preferences: Signer
    device: Signer

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The signers of this installation, which also read tokens made with older secrets."""
        purposes = (TRACK, UNSUBSCRIBE, PREFERENCES, DEVICE)
        key, old = settings.secret_key, settings.old_secret_keys
        return cls(*(Signer(key, purpose, old) for purpose in purposes))


def for_contact(signer: Signer, contact_id: int) -> str:
    """A token for a person without a message."""
    return signer.sign(_CONTACT + contact_id.to_bytes(8, "big"))


def read(signer: Signer, token: str) -> Bearer | None:
    """Whom the token stands for, or None when we did not make it for this purpose."""
    payload = signer.unsign(token)
    if payload is None:
        return None
    if len(payload) == 8:
        return Bearer(notification_id=int.from_bytes(payload, "big"))
    if len(payload) == 9 and payload[:1] == _CONTACT:
        return Bearer(contact_id=int.from_bytes(payload[1:], "big"))
    return None
