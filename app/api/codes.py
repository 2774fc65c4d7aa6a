"""Every code that `errors[].code` may hold, and what it means. Codes are never renamed."""

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "already_expired": "The time at which it expires is over, or before it is to be sent.",
    "differs": "The value differs from the first request with this Idempotency-Key.",
    "in_the_past": "The time must be in the future.",
    "invalid": "The value is wrong; the message says why.",
    "invalid_character": "The text has a character that cannot be stored, such as NUL.",
    "invalid_choice": "The value is none of those allowed.",
    "invalid_country": "No ISO 3166 country code of two letters.",
    "invalid_cursor": "The cursor is not one that this list gave out.",
    "invalid_email": "No valid e-mail address.",
    "invalid_format": "The value is not written as it must be.",
    "invalid_id": "No id of this kind.",
    "invalid_locale": "No BCP 47 language tag.",
    "invalid_phone": "No valid phone number, or one that cannot get SMS.",
    "invalid_time": "No RFC 3339 time with an offset, such as 2026-11-24T18:00:00+00:00.",
    "invalid_timezone": "No IANA time zone.",
    "invalid_type": "The value has the wrong JSON type.",
    "missing_variable": "The template needs this value in `data`.",
    "no_content": "The template has no content for this channel.",
    "out_of_range": "The number is too small or too large.",
    "repeated": "The parameter or value is given more than once.",
    "required": "The field must be given.",
    "template_syntax": "The template cannot be read; the message names line and reason.",
    "too_far_ahead": "The time is too far in the future.",
    "too_long": "The text or list is too long.",
    "too_short": "The text or list is too short.",
    "unknown_contact": "No such person is known.",
    "unknown_field": "There is no field of this name; look for a typo.",
    "unknown_template": "There is no published template with this key.",
    "unknown_topic": "There is no topic with this key.",
}
