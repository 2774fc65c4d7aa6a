"""The OpenAPI document as a page: groups of calls, their fields as flat rows, an example to copy.

Everything is drawn on the server from the document itself, so the page needs no script and no
outside host, and cannot say anything that the document does not.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from markupsafe import Markup, escape

Schema = Mapping[str, Any]
_DEEPEST: Final = 5
_MARKS: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


@dataclass(frozen=True, slots=True)
class Row:
    """One field: how deep it stands, its name, type and meaning."""

    depth: int
    name: str
    type: str
    required: bool
    about: Markup


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a call."""

    status: str
    about: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API."""

    id: str
    method: str
    path: str
    summary: str
    about: Markup
    scopes: Sequence[str]
    parameters: Sequence[Row]
    body: Sequence[Row]
    example: str
    answers: Sequence[Answer]
    refusals: Sequence[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Calls about one noun."""

    name: str
    about: str
    calls: Sequence[Call]


def groups(document: Mapping[str, Any]) -> list[Group]:
    """The calls of the document by tag, in its order."""
    reader = _Reader(document["components"]["schemas"])
    calls: dict[str, list[Call]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            call = _call(reader, path, method, operation)
            calls.setdefault(operation["tags"][0], []).append(call)
    return [
        Group(tag["name"], tag.get("description", ""), calls[tag["name"]])
        for tag in document.get("tags", [])
        if tag["name"] in calls
    ]


def marked(text: str) -> Markup:
    """Paragraphs, `* ` lists, `code` and **bold**: what the descriptions use of Markdown."""
    parts = []
    for block in re.split(r"\n\s*\n|<br/>\s*<br/>", text.replace("<br/>", "\n").strip()):
        items = re.split(r"^\* ", block, flags=re.MULTILINE)
        if items[0].strip():
            parts.append(Markup("<p>{}</p>").format(_inline(items[0])))
        if len(items) > 1:
            lines = Markup("").join(
                Markup("<li>{}</li>").format(_inline(item)) for item in items[1:]
            )
            parts.append(Markup("<ul>{}</ul>").format(lines))
    return Markup("\n").join(parts)


def _inline(text: str) -> Markup:
    def mark(found: re.Match[str]) -> str:
        return f"<code>{found[1]}</code>" if found[1] else f"<b>{found[2]}</b>"

    return Markup(_MARKS.sub(mark, str(escape(" ".join(text.split())))))  # noqa: S704 - escaped


class _Reader:
    """Follows references between schemas."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself: references followed, `null` taken out of a choice."""
        if "$ref" in schema:
            return self.resolve(self._schemas[schema["$ref"].rpartition("/")[2]])
        choices = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
        if len(choices) == 1:
            return {**self.resolve(choices[0]), **_words(schema)}
        return schema

    def rows(self, schema: Schema, depth: int = 0, answered: bool = False) -> Iterator[Row]:
        """The fields of an object, those of objects within right below it.

        Only in answers is it said what may be null: what may be left out may be null anyway.
        """
        found = self.resolve(schema)
        for name, field in found.get("properties", {}).items():
            inner = self.resolve(field)
            required = name in found.get("required", ())
            about = marked(inner.get("description", ""))
            kind = self.type_of(field if answered else inner)
            yield Row(depth, name, kind, required and not answered, about)
            nested = self.resolve(inner["items"]) if inner.get("type") == "array" else inner
            if depth < _DEEPEST:
                yield from self.rows(nested, depth + 1, answered)

    def type_of(self, schema: Schema) -> str:
        """`string`, `array of object`, `"all" or "first"`, with limits that matter."""
        nullable = any(item.get("type") == "null" for item in schema.get("anyOf", ()))
        found = self.resolve(schema)
        text = self._plain_type(found)
        return f"{text} or null" if nullable else text

    def _plain_type(self, found: Schema) -> str:
        if "enum" in found:
            return " or ".join(f'"{value}"' for value in found["enum"])
        if "const" in found:
            return f'"{found["const"]}"'
        if found.get("format") == "date-time":
            return "time"
        if found.get("type") == "array":
            return f"array of {self.type_of(found['items'])}"
        if "anyOf" in found:
            return " or ".join(self.type_of(item) for item in found["anyOf"])
        limit = found.get("maxLength")
        kind = str(found.get("type", "any value"))
        return f"{kind}, at most {limit:,}" if limit and kind == "string" else kind

    def example(self, schema: Schema, depth: int = 0) -> Any:
        """A value that shows the shape; only what must be given, and what has an example."""
        found = self.resolve(schema)
        for name in ("example", "default", "const"):
            if found.get(name) is not None:
                return found[name]
        if found.get("examples"):
            return found["examples"][0]
        if found.get("enum"):
            return found["enum"][0]
        if found.get("type") == "array":
            return [self.example(found["items"], depth + 1)]
        if found.get("type") == "object" and depth < _DEEPEST:
            return {
                name: self.example(field, depth + 1)
                for name, field in found.get("properties", {}).items()
                if name in found.get("required", ())
            }
        return {"string": "…", "integer": 1, "number": 1, "boolean": True}.get(
            str(found.get("type")), {}
        )


def _words(schema: Schema) -> dict[str, Any]:
    return {name: schema[name] for name in ("description", "examples", "default") if name in schema}


def _call(reader: _Reader, path: str, method: str, operation: Mapping[str, Any]) -> Call:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content.get("schema")
    answers, refusals = [], []
    for status, answer in sorted(operation["responses"].items()):
        if status >= "400":
            refusals.append(status)
            continue
        shape = answer.get("content", {}).get("application/json", {}).get("schema")
        rows = list(reader.rows(shape, answered=True)) if shape else []
        answers.append(Answer(status, answer.get("description", ""), rows))
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        about=marked(operation.get("description", "")),
        scopes=operation.get("x-scopes", ()),
        parameters=[_parameter(reader, item) for item in operation.get("parameters", ())],
        body=list(reader.rows(body)) if body else [],
        example=_curl(reader, path, method.upper(), body),
        answers=answers,
        refusals=refusals,
    )


def _parameter(reader: _Reader, parameter: Mapping[str, Any]) -> Row:
    schema = reader.resolve(parameter["schema"])
    about = marked(parameter.get("description") or schema.get("description", ""))
    name = parameter["name"] if parameter["in"] != "path" else f"{{{parameter['name']}}}"
    return Row(0, name, reader.type_of(schema), parameter["required"], about)


def _curl(reader: _Reader, path: str, method: str, body: Schema | None) -> str:
    lines = [f"curl -X {method} $HERALD{path}", '  -H "Authorization: Bearer $HERALD_KEY"']
    if body:
        example = orjson.dumps(reader.example(body), option=orjson.OPT_INDENT_2).decode()
        lines += ['  -H "Content-Type: application/json"', f"  -d '{example}'"]
    return " \\\n".join(lines)
