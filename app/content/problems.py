"""What can be wrong with a content: found when it is written, compiled or rendered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jinja2 import TemplateRuntimeError

from app.errors import FieldError, Invalid

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `field` is `html`, `subject`, `body` …; `line` counts from 1, 0 is the whole.

    `rule` is a stable word; `fix` is a replacement `(what, by what)` in that field, when there is
    one that is surely right.
    """

    severity: Severity
    channel: str
    field: str
    line: int
    rule: str
    message: str
    fix: tuple[str, str] | None = None

    @property
    def pointer(self) -> str:
        """Where in the content, as a JSON pointer: `/email/html`."""
        return f"/{self.channel}/{self.field}"


class CannotCompile(Invalid):
    """The content has errors; `problems` holds every one of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            [FieldError(p.pointer, _CODES.get(p.rule, "invalid"), _with_line(p)) for p in problems]
        )
        self.problems = tuple(problems)


class RenderError(TemplateRuntimeError):
    """A template cannot be rendered with these values; the message is for people."""


class MissingVariable(RenderError):
    """A variable that the template uses has no value."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or ""
        super().__init__(f"The variable {self.path} has no value.")


# Documented codes of the API for the rules that stop a content from being sent at all.
_CODES: Final = {
    "syntax": "template_syntax",
    "missing_field": "required",
    "empty": "required",
}


def _with_line(problem: Problem) -> str:
    return f"Line {problem.line}: {problem.message}" if problem.line else problem.message
