"""Shapes of requests (pydantic) and how their errors become `/to/email`, a code and a sentence."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError
from werkzeug.datastructures import MultiDict

from app.api.codes import CODES
from app.api.reading import pointer
from app.errors import FieldError, Invalid
from app.paging import MAX_LIMIT

Shape = TypeVar("Shape", bound=BaseModel)

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class Body(BaseModel):
    """A JSON object: no unknown fields, no guessing of types."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def across(cls, document: Any) -> list[FieldError]:  # noqa: ARG003 - for subclasses
        """What is wrong between the fields of the raw document."""
        return []


def _one_example(schema: dict[str, Any]) -> None:
    """OpenAPI parameters have `example`, or `examples` of another shape than JSON Schema's."""
    for described in schema.get("properties", {}).values():
        if isinstance(described.get("examples"), list):
            described["example"] = described.pop("examples")[0]


class Query(BaseModel):
    """Parameters of the path or after `?`; text that becomes numbers where a number is wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_example)


class Reply(BaseModel):
    """What a call answers. Only documents the shape: answers are not validated again."""


class PageQuery(Query):
    """A keyset page."""

    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="How many to answer.")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the last page.")


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _RFC_3339.fullmatch(value):
        raise _bad_time()
    try:
        trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value.upper().replace(" ", "T"))
        return datetime.fromisoformat(trimmed).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _bad_time() from error


def _bad_time() -> PydanticCustomError:
    return PydanticCustomError(
        "invalid_time", "Give a time with its offset, such as 2026-11-24T18:00:00+00:00."
    )


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def read(shape: type[Shape], document: Any) -> Shape:
    """Validate a JSON document. Raises Invalid with every wrong field."""
    found = check(shape, document)
    if isinstance(found, Invalid):
        raise found
    return found


def check(shape: type[Shape], document: Any) -> Shape | Invalid:
    """The validated document, or what is wrong with it: all of it."""
    across = shape.across(document) if issubclass(shape, Body) else []
    try:
        found = shape.model_validate(document)
    except ValidationError as error:
        wrong = fields_of(error)
        seen = {field.pointer for field in wrong}
        return Invalid([*wrong, *(field for field in across if field.pointer not in seen)])
    return Invalid(across) if across else found


def read_query(shape: type[Shape], arguments: "MultiDict[str, str]") -> Shape:
    """Validate query parameters; one that is given twice is refused."""
    wrong = [
        FieldError(f"/{name}", "repeated", "Give this parameter once.")
        for name, values in arguments.lists()
        if len(values) > 1
    ] + _with_nul(arguments)
    if wrong:
        raise Invalid(wrong)
    return read(shape, {name: value for name, value in arguments.items() if value != ""})


def read_path(shape: type[Shape], values: Mapping[str, str]) -> Shape:
    """Validate the variable parts of the address."""
    if wrong := _with_nul(values):
        raise Invalid(wrong)
    return read(shape, values)


def _with_nul(values: Mapping[str, str]) -> list[FieldError]:
    return [
        FieldError(f"/{name}", "invalid_character", "The character NUL is not allowed.")
        for name, value in values.items()
        if "\x00" in value
    ]


def fields_of(error: ValidationError) -> list[FieldError]:
    """Every error of a validation, in the order of the document."""
    return [_field(detail) for detail in error.errors(include_url=False, include_input=False)]


def _field(detail: ErrorDetails) -> FieldError:
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx") or {}
    own = kind in CODES and "message" in context  # said by `schemas.common.wrong`
    code, sentence = (kind, "") if own else _KINDS.get(kind, (_code(kind), ""))
    message = (
        sentence.format_map(_Context(context)) if sentence else detail["msg"].rstrip(".") + "."
    )
    return FieldError(pointer(detail["loc"]), code, message)


def _code(kind: str) -> str:
    return kind if kind in CODES else "invalid"


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("required", "This field is required."),
    "extra_forbidden": ("unknown_field", "There is no field of this name."),
    "string_type": ("invalid_type", "This must be a string."),
    "int_type": ("invalid_type", "This must be a whole number."),
    "int_parsing": ("invalid_type", "This must be a whole number."),
    "int_from_float": ("invalid_type", "This must be a whole number."),
    "int_parsing_size": ("out_of_range", "This number is too large."),
    "float_type": ("invalid_type", "This must be a number."),
    "bool_type": ("invalid_type", "This must be true or false."),
    "bool_parsing": ("invalid_type", "This must be true or false."),
    "dict_type": ("invalid_type", "This must be an object."),
    "model_type": ("invalid_type", "This must be an object."),
    "model_attributes_type": ("invalid_type", "This must be an object."),
    "list_type": ("invalid_type", "This must be an array."),
    "tuple_type": ("invalid_type", "This must be an array."),
    "datetime_type": ("invalid_type", "This must be a string with a time."),
    "string_too_long": ("too_long", "At most {max_length} characters."),
    "string_too_short": ("too_short", "At least {min_length} characters."),
    "too_long": ("too_long", "At most {max_length} items."),
    "too_short": ("too_short", "At least {min_length} items."),
    "literal_error": ("invalid_choice", "This must be {expected}."),
    "enum": ("invalid_choice", "This must be {expected}."),
    "greater_than": ("out_of_range", "This must be more than {gt}."),
    "greater_than_equal": ("out_of_range", "This must be {ge} or more."),
    "less_than": ("out_of_range", "This must be less than {lt}."),
    "less_than_equal": ("out_of_range", "This must be {le} or less."),
    "string_pattern_mismatch": ("invalid_format", "This is not written as it must be."),
}
