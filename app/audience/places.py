"""Countries, locales and time zones: checks, names for screens, old names made new.

The lists are those of the tz database (`tzdata`): ISO 3166-1 countries, zone names, and the links
that say which names are old.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from app import zones

_LOCALE: Final = re.compile(
    r"(?P<language>[A-Za-z]{2,3})(?:-(?P<script>[A-Za-z]{4}))?"
    r"(?:-(?P<region>[A-Za-z]{2}|\d{3}))?(?P<rest>(?:-[A-Za-z0-9]{4,8})*)"
)


@lru_cache(maxsize=2048)
def locale(text: str) -> str | None:
    """A BCP 47 tag in its usual case (`de_at` becomes `de-AT`), or None when it is none.

    Language, script, region and variants are understood; extensions are not.
    """
    match = _LOCALE.fullmatch(text.strip().replace("_", "-").removesuffix(".UTF-8"))
    if match is None:
        return None
    parts = [match["language"].lower()]
    if match["script"]:
        parts.append(match["script"].title())
    if match["region"]:
        parts.append(match["region"].upper())
    return "-".join(parts) + match["rest"].lower()


@lru_cache(maxsize=1024)
def country(text: str) -> str | None:
    """An ISO 3166-1 alpha-2 code in capitals, from the code or the English name; or None."""
    written = text.strip()
    code = written.upper()
    if code in countries():
        return code
    return _country_names().get(written.casefold()) or _OTHER_NAMES.get(written.casefold())


@lru_cache(maxsize=2048)
def timezone(text: str) -> str | None:
    """An IANA zone name as it is called today (`Asia/Calcutta` becomes `Asia/Kolkata`), or None."""
    written = text.strip().replace(" ", "_")
    name = _zone_spelling().get(written.casefold())
    if name is None:
        return None
    return _zone_links().get(name, name)


@cache
def countries() -> Mapping[str, str]:
    """ISO 3166-1 alpha-2 code -> English name."""
    listed = dict(line.split("\t", 1) for line in _lines("iso3166.tab"))
    return {**listed, "GB": "United Kingdom", "KR": "South Korea", "KP": "North Korea"}


@cache
def timezones() -> tuple[str, ...]:
    """Names that a person may choose from, in alphabetical order; `UTC` first."""
    return ("UTC", *sorted(_zones_of_countries()))


# Written often, and not what the tz database says.
_OTHER_NAMES: Final = {
    "uk": "GB",
    "united kingdom": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "usa": "US",
    "united states of america": "US",
    "deutschland": "DE",
    "österreich": "AT",
    "schweiz": "CH",
    "españa": "ES",
    "italia": "IT",
    "south korea": "KR",
    "turkey": "TR",
    "türkiye": "TR",
    "czechia": "CZ",
}


@cache
def _country_names() -> Mapping[str, str]:
    return {name.casefold(): code for code, name in countries().items()}


@cache
def _zones_of_countries() -> frozenset[str]:
    return frozenset(line.split("\t")[2] for line in _lines("zone.tab"))


@cache
def _zone_spelling() -> Mapping[str, str]:
    return {name.casefold(): name for name in zones.names()}


@cache
def _zone_links() -> Mapping[str, str]:
    """Old name -> new name. Zones that a country calls its own stay, even where they are links."""
    links = {"Etc/UTC": "UTC", "Etc/GMT": "UTC"}
    for line in _lines("tzdata.zi"):
        if line.startswith("L "):
            _, target, name = line.split()
            if name not in _zones_of_countries() and name != "UTC":
                links.setdefault(name, links.get(target, target))
    return links


def _lines(name: str) -> list[str]:
    text = (resources.files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
