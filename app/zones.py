"""Names of time zones, the same on every machine."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

# Files of a machine's tz database that name no place: what it is set to itself, and "not set yet".
_NO_ZONES: Final = {"localtime", "posixrules", "Factory"}


@cache
def names() -> frozenset[str]:
    """IANA names, the old ones too. Read once: looking through the tz database takes 10 ms."""
    return frozenset(available_timezones() - _NO_ZONES)
