"""What the domain may refuse to do, in domain words.

DomainError
 ├── NotFound      the thing does not exist (or not for this caller)
 ├── Invalid       one or more fields are wrong; says which and why
 ├── Conflict      the thing is in a state that does not allow this
 ├── Forbidden     the caller's role or scope does not allow this
 └── TooMany       a limit was reached; says when to try again

API, console and hooks each translate these in one handler. Nothing here knows HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class DomainError(Exception):
    """Base of every refusal; `message` is a sentence that may be shown to people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(DomainError):
    """The thing does not exist, or must not be known to the caller."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field.

    `pointer` is a JSON pointer such as `/to/email` (a form field is `/subject`); `code` is
    documented and never renamed; `message` is a sentence.
    """

    pointer: str
    code: str
    message: str


class Invalid(DomainError):
    """One or more fields are wrong. All of them are reported at once."""

    def __init__(self, fields: Sequence[FieldError], message: str | None = None) -> None:
        super().__init__(message or " ".join(field.message for field in fields))
        self.fields = tuple(fields)

    @classmethod
    def one(cls, pointer: str, code: str, message: str) -> "Invalid":
        """A refusal about a single field."""
        return cls([FieldError(pointer, code, message)])

    def by_field(self) -> Mapping[str, str]:
        """First message per field name, without the leading slash: for forms."""
        found: dict[str, str] = {}
        for field in self.fields:
            found.setdefault(field.pointer.lstrip("/"), field.message)
        return found


class Conflict(DomainError):
    """The thing is in a state that does not allow this."""


class Forbidden(DomainError):
    """The caller's role or scope does not allow this."""


class TooMany(DomainError):
    """A limit was reached; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
