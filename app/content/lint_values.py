"""Lint of variables: unknown ones, and those that would leave a hole when a person has no value."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.content import syntax, variables
from app.content.compile import environment_of, fields_of
from app.content.problems import Problem, Severity

# Everybody who can be mailed has an address; the rest may be empty.
_MAY_BE_EMPTY: Final = frozenset({"first_name", "last_name", "phone", "locale", "country"})


def check(content: Mapping[str, Any], sample_data: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems with variables; the sources must be readable."""
    known = known_paths(sample_data)
    for channel, field, source in fields_of(content):
        tree = syntax.parse(environment_of(field), source)
        seen: set[str] = set()
        for use in variables.uses(tree):
            if use.path in seen:
                continue
            problem = _unknown(channel, field, use, sample_data, known) or _hole(
                channel, field, use
            )
            if problem:
                seen.add(use.path)
                yield problem


def known_paths(sample_data: Mapping[str, Any]) -> list[str]:
    """Every variable that can be written: of the person, of Herald, and of the sample data."""
    people = [*variables.PERSON_FIELDS, *(f"person.{name}" for name in variables.PERSON_FIELDS)]
    system = ["unsubscribe_url", "preferences_url", "campaign.name", "tags", "attributes"]
    return [*people, *system, *_flat(sample_data)]


def _flat(group: Mapping[str, Any], front: str = "") -> Iterator[str]:
    for name, value in group.items():
        yield front + name
        if isinstance(value, Mapping):
            yield from _flat(value, f"{front}{name}.")


def _unknown(
    channel: str,
    field: str,
    use: variables.Use,
    sample_data: Mapping[str, Any],
    known: list[str],
) -> Problem | None:
    """A variable that neither people nor the sample data have; optional ones may be absent."""
    if not _is_unknown(use, sample_data):
        return None
    near = difflib.get_close_matches(use.path, known, 1, 0.75)
    if near:
        message = f"Unknown variable {use.path}. Did you mean {near[0]}?"
        fix = (use.path, near[0])
    else:
        message = f"Unknown variable {use.path}. Add it to the sample data if callers send it."
        fix = None
    severity: Severity = "error" if use.required or near else "warning"
    return Problem(severity, channel, field, use.line, "unknown_variable", message, fix)


def _is_unknown(use: variables.Use, sample_data: Mapping[str, Any]) -> bool:
    root, _, rest = use.path.partition(".")
    match use.origin:
        case "data":
            return not variables.resolves(use.path, sample_data)
        case "system":
            return rest not in ("", "name") if root == "campaign" else bool(rest)
        case _:
            if root == "person":
                front = rest.partition(".")[0]
                return bool(front) and front not in (
                    *variables.PERSON_FIELDS,
                    *variables.PERSON_GROUPS,
                )
            return root != "attributes" and bool(rest)


def _hole(channel: str, field: str, use: variables.Use) -> Problem | None:
    """A value that some people lack, printed without a fallback."""
    name = use.path.removeprefix("person.")
    if not use.bare:
        return None
    written = f"{{{{ {use.path} }}}}"
    if name in _MAY_BE_EMPTY:
        message = f'People without {name} would see a gap; {use.path}|default("…") fills it.'
        fallback = "there" if name == "first_name" else ""
        fix = (written, f'{{{{ {use.path}|default("{fallback}") }}}}') if fallback else None
        return Problem("warning", channel, field, use.line, "no_fallback", message, fix)
    if name.startswith("attributes.") and use.required:
        message = f'People without {use.path} would not get this; {use.path}|default("…") helps.'
        return Problem("warning", channel, field, use.line, "no_fallback", message)
    return None
