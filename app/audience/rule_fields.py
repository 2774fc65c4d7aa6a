"""What a segment rule can ask about, and with which operators: metadata for parser and builder.

Every operator is either plain or the exact opposite of a plain one (`OPPOSITES`): "is not" holds
for whoever "is" does not hold, also where nothing is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEPTH_MAX: Final = 3
LEAVES_MAX: Final = 50
VALUES_MAX: Final = 500
TEXT_MAX: Final = 500
DAYS_MAX: Final = 3650
TIMES_MAX: Final = 10_000
ATTRIBUTE_PREFIX: Final = "attributes."

ENGAGEMENTS: Final[Mapping[str, str]] = {
    "sent": "were sent",
    "delivered": "received",
    "opened": "opened",
    "clicked": "clicked a link in",
    "bounced": "had a bounce of",
}
PLATFORMS: Final[Mapping[str, str]] = {
    "any": "a device",
    "ios": "an iPhone or iPad",
    "android": "an Android device",
}
CHANNEL_WORDS: Final[Mapping[str, str]] = {
    "email": "e-mail",
    "sms": "SMS",
    "ios": "iOS push",
    "android": "Android push",
}


@dataclass(frozen=True, slots=True)
class Operator:
    """`label` stands between field and value; `value` says what is asked for.

    none, text, texts, number, date, days, or `times` (a number of times, perhaps within days).
    """

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Field:
    """Something a rule can ask about. `kind` decides parameters, SQL and words."""

    name: str
    label: str
    kind: str
    operators: tuple[str, ...]
    group: str
    suggests: bool = False
    noun: str = ""  # "whose <noun> is …"; empty: the label in small letters


OPERATORS: Final[Mapping[str, Operator]] = {
    item.name: item
    for item in (
        Operator("is", "is", "text"),
        Operator("is_not", "is not", "text"),
        Operator("any_of", "is any of", "texts"),
        Operator("none_of", "is none of", "texts"),
        Operator("all_of", "has all of", "texts"),
        Operator("contains", "contains", "text"),
        Operator("not_contains", "does not contain", "text"),
        Operator("starts_with", "starts with", "text"),
        Operator("domain_is", "is at the domain", "texts"),
        Operator("domain_is_not", "is not at the domain", "texts"),
        Operator("exists", "is known", "none"),
        Operator("missing", "is not known", "none"),
        Operator("at_least", "is at least", "number"),
        Operator("more_than", "is more than", "number"),
        Operator("at_most", "is at most", "number"),
        Operator("less_than", "is less than", "number"),
        Operator("includes", "includes", "text"),
        Operator("not_includes", "does not include", "text"),
        Operator("before", "is before", "date"),
        Operator("after", "is on or after", "date"),
        Operator("in_last", "is in the last", "days"),
        Operator("not_in_last", "is not in the last", "days"),
        Operator("has", "have", "none"),
        Operator("has_not", "do not have", "none"),
        Operator("opted_in", "opted in to", "none"),
        Operator("opted_out", "opted out of", "none"),
        Operator("in", "are in", "text"),
        Operator("not_in", "are not in", "text"),
        Operator("did", "at least", "times"),
        Operator("did_at_most", "at most", "times"),
        Operator("never", "never", "none"),
    )
}

OPPOSITES: Final[Mapping[str, str]] = {
    "is_not": "is",
    "none_of": "any_of",
    "not_contains": "contains",
    "domain_is_not": "domain_is",
    "missing": "exists",
    "not_includes": "includes",
    "not_in_last": "in_last",
    "has_not": "has",
    "opted_out": "opted_in",
    "not_in": "in",
    "never": "did",
}

_TEXT: Final = (
    "is",
    "is_not",
    "any_of",
    "none_of",
    "contains",
    "not_contains",
    "starts_with",
    "exists",
    "missing",
)
_CHOICE: Final = ("is", "is_not", "any_of", "none_of", "exists", "missing")
_DATE: Final = ("in_last", "not_in_last", "before", "after", "exists", "missing")
_TIMES: Final = ("did", "did_at_most", "never")
_EMAIL: Final = ("exists", "missing", "is", "is_not", "domain_is", "domain_is_not", "contains")
_PHONE: Final = ("exists", "missing", "is", "is_not", "starts_with")

FIELDS: Final[Mapping[str, Field]] = {
    item.name: item
    for item in (
        Field("first_name", "First name", "text", _TEXT, "Person", True),
        Field("last_name", "Last name", "text", _TEXT, "Person", True),
        Field("email", "E-mail address", "email", _EMAIL, "Person", True),
        Field("phone", "Phone number", "phone", _PHONE, "Person"),
        Field("external_id", "Your ID", "text", _TEXT, "Person", noun="ID"),
        Field("country", "Country", "choice", _CHOICE, "Person", True),
        Field("language", "Language", "language", _CHOICE, "Person", True),
        Field("locale", "Locale", "choice", _CHOICE, "Person", True),
        Field("timezone", "Time zone", "choice", _CHOICE, "Person", True),
        Field("tags", "Tags", "tags", ("any_of", "all_of", "none_of", "exists", "missing"),
              "Person", True),
        Field("created_at", "Added to Herald", "date", _DATE, "Person", noun="first day here"),
        Field("last_seen_at", "Last seen", "date", _DATE, "Person", noun="last visit"),
        Field("device", "Device", "device", ("has", "has_not"), "Reach"),
        Field("topic", "Topic", "topic", ("opted_in", "opted_out"), "Reach"),
        Field("suppressed", "Suppressed address", "suppressed", ("has", "has_not"), "Reach"),
        Field("engagement", "Messages", "engagement", _TIMES, "Behaviour"),
        Field("event", "Event", "event", _TIMES, "Behaviour", True),
        Field("segment", "Segment", "segment", ("in", "not_in"), "Segments", True),
    )
}  # fmt: skip

_ATTRIBUTE_OPERATORS: Final = (
    "is",
    "is_not",
    "any_of",
    "none_of",
    "contains",
    "not_contains",
    "starts_with",
    "at_least",
    "more_than",
    "at_most",
    "less_than",
    "includes",
    "not_includes",
    "in_last",
    "not_in_last",
    "before",
    "after",
    "exists",
    "missing",
)

# Keys a leaf may have besides `field` and `op`, by kind of field.
PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "device": ("platform", "app"),
    "topic": ("topic", "channel"),
    "suppressed": ("channel",),
    "engagement": ("event", "times", "days", "campaign", "channel"),
    "event": ("name", "times", "days", "where"),
}
WHERE_OPERATORS: Final = ("is", "any_of", "contains", "starts_with", "at_least", "at_most")


def attribute_field(name: str) -> Field:
    """The field of a custom attribute; `name` without prefix."""
    label = name.replace("_", " ")
    return Field(
        ATTRIBUTE_PREFIX + name, label, "attribute", _ATTRIBUTE_OPERATORS, "Attributes", True, label
    )
