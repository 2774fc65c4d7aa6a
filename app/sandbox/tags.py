"""Magic recipients: a tag in an address decides what happens to its message."""

import re
from typing import Final

_TAG: Final = re.compile(
    r"\+(?:[\w-]*-)?(bounce|blocked|complaint|deferred|dropped|full|unsubscribe)\b"
)


def tag(address: str) -> str:
    """What an address like `ann+bounce@example.org` asks for; empty when nothing."""
    local = address.rsplit("@", 1)[0]
    found = _TAG.search(local) if "+" in local else None
    return found[1] if found else ""
