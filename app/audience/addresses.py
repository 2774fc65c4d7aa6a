"""One verdict about an e-mail address or a phone number: the same in API, import and console.

Policy for e-mail: RFC 5322 dot-atoms only. Quoted local parts, comments, address literals and
letters outside ASCII before the @ are refused: most providers cannot deliver to them. International
domains are kept in their ASCII form (`xn--…`), which is what goes on the wire.

Policy for phones: E.164, of a type that can receive text messages. Numbers that Ofcom sets aside
for fiction (07700 900000 to 900999) are accepted: documentation and rehearsals use them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

# What people paste around an address: spaces of all kinds, byte order marks, direction marks.
_EDGES: Final = " \t\r\n\f\v\u00a0\u2007\u202f\u200b\u200e\u200f\u2060\ufeff"
_EMAIL_MAX: Final = 254
_PLAIN_EMAIL: Final = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([A-Za-z0-9.-]{1,253})"
)
_FICTION: Final = re.compile(r"\+447700900\d{3}")
_TEXTABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_TYPE_WORDS: Final = {
    PhoneNumberType.FIXED_LINE: "a landline",
    PhoneNumberType.TOLL_FREE: "a toll-free number",
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.VOIP: "an internet phone number",
    PhoneNumberType.PERSONAL_NUMBER: "a forwarding number",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.UAN: "a company service number",
    PhoneNumberType.VOICEMAIL: "a voicemail access number",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The address as Herald keeps it, or (`value` empty) a code and a sentence saying why not."""

    value: str
    code: str = ""
    message: str = ""

    @property
    def ok(self) -> bool:
        """May this address be kept?"""
        return not self.code


def email(text: str) -> Verdict:
    """Check one e-mail address: syntax and length, no DNS. The domain comes back in lower case."""
    written = text.strip(_EDGES)
    plain = _PLAIN_EMAIL.fullmatch(written)
    if plain and len(written) <= _EMAIL_MAX:
        domain = _domain(plain[2].lower())
        if domain.ok:
            return Verdict(f"{plain[1]}@{domain.value}")
    return _any_email(written)


def phone(text: str, country: str | None = None) -> Verdict:
    """Check one phone number, written in any usual way, and return it as E.164.

    `country` (ISO 3166-1 alpha-2) is needed for numbers without a country code.
    """
    written = text.strip(_EDGES)
    if not written:
        return _refused_phone("The phone number is empty.")
    if len(written) > 60:
        return _refused_phone("This is too long for a phone number.")
    number = _parse(written, country)
    if isinstance(number, Verdict):
        return number
    return _judge(number)


def is_one(text: str) -> bool:
    """Whether this is a whole e-mail address or phone number."""
    return email(text).ok or phone(text).ok


def phone_kind(value: str) -> str:
    """What an E.164 number is, in words for screens: "a mobile number", "a landline" …"""
    kind = phonenumbers.number_type(phonenumbers.parse(value))
    return _TYPE_WORDS.get(kind, "a mobile number")


def country_of(value: str) -> str:
    """The country of an E.164 number as two letters; `?` when there is none."""
    try:
        number = phonenumbers.parse(value)
    except NumberParseException:
        return "?"
    region = phonenumbers.region_code_for_number(number)
    return region or phonenumbers.region_code_for_country_code(number.country_code or 0)


def pretty_phone(value: str) -> str:
    """An E.164 number with the spaces people of that country use; unchanged if it is none."""
    try:
        number = phonenumbers.parse(value)
    except NumberParseException:
        return value
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def suppression_key(kind: str, address: str) -> str:
    """How an address is written in the suppression list: e-mail in lower case, others as kept."""
    return address.lower() if kind == "email" else address


@lru_cache(maxsize=8192)
def _domain(domain: str) -> Verdict:
    """A file of a million people has few thousand domains: each is checked once."""
    return _any_email(f"a@{domain}", whole=False)


def _any_email(written: str, whole: bool = True) -> Verdict:
    if not written:
        return _refused_email("The e-mail address is empty.")
    try:
        # The test environment allows the reserved name `.test`; strict keeps the local part at 64.
        found = validate_email(
            written, check_deliverability=False, test_environment=True, strict=True
        )
    except EmailNotValidError as error:
        return _refused_email(_sentence(str(error)))
    if not found.local_part.isascii():
        return _refused_email(
            "This e-mail address has letters before the @ that most mail servers refuse."
        )
    if not whole:
        return Verdict(found.ascii_domain)
    value = f"{found.local_part}@{found.ascii_domain}"
    if len(value) > _EMAIL_MAX:
        return _refused_email("This e-mail address is longer than 254 characters.")
    return Verdict(value)


def _sentence(text: str) -> str:
    detail = text.strip().replace("email address", "e-mail address")
    return f"This is not a usable e-mail address. {detail}".replace("..", ".")


def _refused_email(message: str) -> Verdict:
    return Verdict("", "invalid_email", message)


def _refused_phone(message: str) -> Verdict:
    return Verdict("", "invalid_phone", message)


def _parse(written: str, country: str | None) -> "phonenumbers.PhoneNumber | Verdict":
    international = _as_international(written)
    if international is not None:
        try:
            number = phonenumbers.parse(international)
        except NumberParseException:
            number = None
        # `00` is an international prefix nearly everywhere; where it is not, the country decides.
        if number is not None and (written[0] in "+＋" or phonenumbers.is_valid_number(number)):
            return number
    if not country and international is None:
        return _refused_phone(
            "This phone number has no country code. Write it with + and the code, such as "
            "+44 7911 123456, or set the country."
        )
    try:
        return phonenumbers.parse(written, country)
    except NumberParseException as error:
        return _refused_phone(_parse_words(error))


def _as_international(written: str) -> str | None:
    if written[0] in "+＋":
        return written
    digits = phonenumbers.normalize_digits_only(written)
    return "+" + digits[2:] if digits.startswith("00") else None


def _parse_words(error: NumberParseException) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return "The country code of this phone number does not exist."
    return "This is not a phone number."


def _judge(number: "phonenumbers.PhoneNumber") -> Verdict:
    if number.extension:
        return _refused_phone("A number with an extension cannot receive text messages.")
    value = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    kind = phonenumbers.number_type(number)
    if kind in _TEXTABLE or _FICTION.fullmatch(value):
        return Verdict(value)
    if kind == PhoneNumberType.UNKNOWN:
        return _refused_phone(_unknown_words(number))
    words = _TYPE_WORDS.get(kind, "not a mobile number")
    return Verdict(
        "", "phone_not_textable", f"This is {words}, which cannot receive text messages."
    )


def _unknown_words(number: "phonenumbers.PhoneNumber") -> str:
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in (
        phonenumbers.ValidationResult.TOO_SHORT,
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    ):
        return "This phone number is too short."
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        return "This phone number is too long."
    return "No such phone number is in use in that country."
