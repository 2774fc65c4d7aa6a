"""What stands beside an editor in words: problems with their places, and the variables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.console import words
from app.console.content_form import Place, place_of
from app.content import lint, syntax, variables
from app.content.compile import environment_of, fields_of
from app.content.problems import Problem

_LONGEST_VALUE = 40
_FIELD_WORDS = {"html": "", "body": "", "": "", "preheader": ", preview text"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the place where it is mended."""

    problem: Problem
    here: bool
    place: str
    where: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable in use: how it is written, what kind of value, its value for the person shown."""

    path: str
    kind: str
    value: str
    missing: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """Problems and variables of a content."""

    findings: Sequence[Finding]
    used: Sequence[Variable]
    missing: Sequence[Variable]
    others: Sequence[str]

    @property
    def errors(self) -> int:
        """How many problems stop publishing."""
        return sum(finding.problem.severity == "error" for finding in self.findings)

    @property
    def marks(self) -> list[dict[str, Any]]:
        """Lines to mark in the code editor that is open."""
        return [
            {
                "line": found.problem.line,
                "level": found.problem.severity,
                "text": found.problem.message,
            }
            for found in self.findings
            if found.here and found.problem.line
        ]


def build(
    content: Mapping[str, Any],
    sample_data: Mapping[str, Any],
    klass: str,
    at: Place,
    values: Mapping[str, Any],
) -> Panel:
    """Check the content as it is now."""
    found = [_finding(problem, at) for problem in lint.check(content, klass, sample_data)]
    used = list(_variables(content, values))
    known = {variable.path for variable in used}
    others = [path for path in _offered(values, sample_data) if path not in known]
    return Panel(
        findings=found if content else [],
        used=[variable for variable in used if not variable.missing],
        missing=[variable for variable in used if variable.missing],
        others=others,
    )


def state_of(content: Mapping[str, Any], findings: Sequence[Finding], channel: str) -> str:
    """How a channel's tab looks: empty, ok, warn or bad."""
    if not content.get(channel):
        return "empty"
    severities = {f.problem.severity for f in findings if f.problem.channel == channel}
    return "bad" if "error" in severities else "warn" if severities else "ok"


def _finding(problem: Problem, at: Place) -> Finding:
    where = place_of(problem.channel, problem.field)
    channel = words.channel(problem.channel).label
    field = _FIELD_WORDS.get(problem.field, f", {problem.field}")
    here = at.holds(problem.channel, problem.field)
    return Finding(problem, here, where.key, "" if here else channel + field)


def _variables(content: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Variable]:
    seen: dict[str, bool] = {}
    for _channel, field, source in fields_of(content):
        try:
            tree = syntax.parse(environment_of(field), source)
        except syntax.Refused:
            continue
        for use in variables.uses(tree):
            seen[use.path] = seen.get(use.path, False) or use.required
    for path in sorted(seen):
        yield _variable(path, values, required=seen[path])


def _variable(path: str, values: Mapping[str, Any], *, required: bool) -> Variable:
    if variables.origin(path) == "system":
        return Variable(path, "from Herald", "", missing=False, required=required)
    if not variables.resolves(path, values):
        return Variable(path, "no value", "", missing=True, required=required)
    value: Any = values
    for step in path.split("."):
        value = value[step]
    return Variable(path, _kind(value), _short(value), missing=False, required=required)


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}"
    return "group" if isinstance(value, Mapping) else "text"


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        groups = bool(value) and isinstance(value[0], Mapping)
        text = "each with " + _short(value[0]) if groups else ", ".join(map(_short, value[:3]))
    elif isinstance(value, Mapping):
        text = ", ".join(str(name) for name in value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _offered(values: Mapping[str, Any], sample_data: Mapping[str, Any]) -> Iterator[str]:
    yield from variables.PERSON_FIELDS
    yield from (f"attributes.{name}" for name in values.get("attributes") or {})
    yield from ("unsubscribe_url", "preferences_url", "campaign.name")
    for name, value in sample_data.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name
