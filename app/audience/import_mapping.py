"""Which column of a file goes where: a guess from the headings, and the check of a choice.

Targets: a field of a person, `full_name`, `attributes.<name>`, `topic:<key>` or
`topic:<key>:<channel>`, `unsubscribed`, or nothing (empty: the column is left out).
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from app.audience.fields import ATTRIBUTE_NAME
from app.audience.models import CHANNELS
from app.errors import FieldError, Invalid

TARGETS: Final[Mapping[str, str]] = {
    "external_id": "Your ID",
    "email": "E-mail address",
    "phone": "Phone number",
    "first_name": "First name",
    "last_name": "Last name",
    "full_name": "Full name",
    "locale": "Locale",
    "country": "Country",
    "timezone": "Time zone",
    "tags": "Tags",
    "unsubscribed": "Unsubscribed",
}
_IDENTIFYING: Final = ("external_id", "email", "phone")
ATTRIBUTE: Final = "attributes."
TOPIC: Final = "topic:"

_HEADINGS: Final[Mapping[str, str]] = {
    "external_id": "externalid id userid user customerid customer customernumber uid uuid memberid "
    "kundennummer kundenid clientid idcliente contactid subscriberid",
    "email": "email emailaddress mail mailaddress eposta epost correo correoelectronico courriel "
    "adressemail adresseemail emailadresse indirizzoemail electronicmail",
    "phone": "phone phonenumber mobile mobilephone mobilenumber cell cellphone tel telephone "
    "telefon telefonnummer handy handynummer mobil telefono telefonomovil movil celular "
    "portable gsm msisdn sms smsnumber",
    "first_name": "firstname givenname forename first vorname prenom nombre nome fornamn voornaam",
    "last_name": "lastname surname familyname last nachname familienname nom apellido apellidos "
    "cognome sobrenome efternamn achternaam",
    "full_name": "name fullname vollername nomcomplet nombrecompleto",
    "locale": "locale language lang sprache langue idioma lingua preferredlanguage",
    "country": "country countrycode countryname land pays pais paese",
    "timezone": "timezone tz zone zeitzone fuseauhoraire zonahoraria",
    "tags": "tags tag labels label schlagworte etiquetas",
    "unsubscribed": "unsubscribed unsubscribe optedout optout donotcontact abgemeldet desabonne",
}
# What the file of refused rows puts before the columns of the person who imported.
REFUSED_COLUMNS: Final = ("line", "column", "reason")
_BY_HEADING: Final = {
    heading: target for target, words in _HEADINGS.items() for heading in words.split()
}


def guess(header: Sequence[str]) -> dict[str, str]:
    """A target per heading: known words become fields, the rest becomes attributes.

    A corrected file of refused rows comes back without its line, column and reason.
    """
    ours = len(REFUSED_COLUMNS) if tuple(header[:3]) == REFUSED_COLUMNS else 0
    mapping = dict.fromkeys(header[:ours], "")
    for heading in header[ours:]:
        target = _guess_one(heading)
        mapping[heading] = "" if target in mapping.values() else target
    return mapping


def check(header: Sequence[str], mapping: Mapping[str, str], topics: Collection[str]) -> None:
    """Raises Invalid for headings and targets that do not exist, doubles, and a lack of ids."""
    errors = [
        FieldError(f"/mapping/{heading}", "unknown_column", f"The file has no column {heading!r}.")
        for heading in mapping
        if heading not in header
    ]
    used: dict[str, str] = {}
    for heading, target in mapping.items():
        if not target:
            continue
        if problem := _problem(target, topics):
            errors.append(FieldError(f"/mapping/{heading}", "unknown_target", problem))
        elif target in used:
            words = f"{used[target]!r} and {heading!r} both go to {label(target)!r}."
            errors.append(FieldError(f"/mapping/{heading}", "double_target", words))
        used.setdefault(target, heading)
    if not errors and not any(target in used for target in _IDENTIFYING):
        words = "Say which column holds the e-mail address, the phone number or your ID."
        errors.append(FieldError("/mapping", "no_identifier", words))
    if errors:
        raise Invalid(errors)


def label(target: str) -> str:
    """What screens call a target."""
    if target.startswith(ATTRIBUTE):
        return target.removeprefix(ATTRIBUTE).replace("_", " ")
    if target.startswith(TOPIC):
        return "Wants " + target.removeprefix(TOPIC).replace(":", " by ")
    return TARGETS.get(target, target)


def attribute_name(heading: str) -> str:
    """A heading as the name of an attribute: `Ordered (2025)` becomes `ordered_2025`."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"column_{name}".rstrip("_")
    return name[:64]


def _guess_one(heading: str) -> str:
    written = heading.strip()
    if written.lower().startswith((ATTRIBUTE, TOPIC)):
        return written[:1].lower() + written[1:] if _is_written_target(written) else ""
    plain = unicodedata.normalize("NFKD", written.lower())
    key = "".join(letter for letter in plain if letter.isascii() and letter.isalnum())
    known = _BY_HEADING.get(key)
    return known or ATTRIBUTE + attribute_name(written)


def _is_written_target(written: str) -> bool:
    if written.lower().startswith(ATTRIBUTE):
        return ATTRIBUTE_NAME.fullmatch(written[len(ATTRIBUTE) :]) is not None
    return True


def _problem(target: str, topics: Collection[str]) -> str | None:
    if target in TARGETS:
        return None
    if target.startswith(ATTRIBUTE):
        if ATTRIBUTE_NAME.fullmatch(target.removeprefix(ATTRIBUTE)):
            return None
        return f"{target!r} is no name for an attribute: letters, digits and underscores."
    if target.startswith(TOPIC):
        key, _, channel = target.removeprefix(TOPIC).partition(":")
        if key not in topics:
            return f"There is no topic with the key {key!r}."
        return None if not channel or channel in CHANNELS else f"There is no channel {channel!r}."
    return f"{target!r} is nothing that people have."
