"""Pieces that several shapes share: addresses, moments, ids, masks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from app.audience import addresses
from app.audience.addresses import Verdict

Channel = Literal["email", "sms", "ios", "android"]
CHANNELS: Final = ("email", "sms", "ios", "android")


def wrong(code: str, message: str) -> PydanticCustomError:
    """An error for a validator to raise; the message may hold braces."""
    return PydanticCustomError(code, "{message}", {"message": message})


def _checked(check: Callable[[str], Verdict]) -> Callable[[str], str]:
    def validate(value: str) -> str:
        verdict = check(value)
        if not verdict.ok:
            raise wrong(verdict.code, verdict.message)
        return verdict.value

    return validate


Email = Annotated[
    str,
    Field(max_length=320, examples=["amara@example.com"]),
    AfterValidator(_checked(addresses.email)),
]
Phone = Annotated[
    str,
    Field(max_length=60, examples=["+447700900412"]),
    AfterValidator(_checked(addresses.phone)),
]
ExternalId = Annotated[
    str,
    Field(min_length=1, max_length=200, examples=["u-1001"]),
]


@dataclass(frozen=True, slots=True)
class DocumentedAs:
    """`Annotated[Any, DocumentedAs(Shape)]`: documented as the shape, but validated elsewhere.

    For the items of a batch, which are right or wrong one by one.
    """

    shape: type[BaseModel]

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self.shape.__pydantic_core_schema__)


def time(moment: datetime | None) -> str | None:
    """A moment as the API writes it: RFC 3339, UTC."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def mask(channel: str, address: str | None) -> str | None:
    """Enough of an address to recognise it."""
    if not address:
        return None
    if channel == "email":
        name, _, host = address.rpartition("@")
        return f"{name[: 2 if len(name) > 3 else 1]}…@{host}"
    if channel == "sms":
        return f"{address[:3]}…{address[-3:]}"
    return f"{address[:4]}…{address[-4:]}"
