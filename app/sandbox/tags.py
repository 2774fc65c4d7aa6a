"""Magic recipients: a tag in an address or the end of a number decides about its message."""

import re
from typing import Final

_TAG: Final = re.compile(
    r"\+(?:[\w-]*-)?(bounce|blocked|complaint|deferred|dropped|full|unsubscribe)\b"
)
# Area code 500 is for forwarding: whoever checks numbers, as Herald does, needs another.
_AREA: Final = re.compile(r"\+1\d{3}(?=555\d{4}$)")


def tag(address: str) -> str:
    """What an address like `ann+bounce@example.org` asks for; empty when nothing."""
    local = address.rsplit("@", 1)[0]
    found = _TAG.search(local) if "+" in local else None
    return found[1] if found else ""


def scripted_number(number: str) -> str:
    """Twilio's test number that a North American number stands for: +12025550001, +15005550001."""
    return _AREA.sub("+1500", number)
