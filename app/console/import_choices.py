"""What a column of a file may be, as a list to choose from, and the choice that was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import request
from sqlalchemy.orm import Session

from app.audience import import_mapping, topics
from app.audience.import_mapping import ATTRIBUTE, TARGETS, TOPIC
from app.audience.models import CHANNELS, Import
from app.console import words


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, some of its values, where it goes, what else it could be."""

    field: str
    heading: str
    samples: Sequence[str]
    target: str
    attributes: Sequence[tuple[str, str]]
    error: str | None


def columns(item: Import, chosen: Mapping[str, str], errors: Mapping[str, str]) -> list[Column]:
    """The columns in the order of the file; `errors` by `mapping/<heading>`."""
    return [
        Column(
            field=f"column-{number}",
            heading=heading,
            samples=_samples(item, number),
            target=chosen.get(heading, ""),
            attributes=_attributes(heading, chosen.get(heading, "")),
            error=errors.get(f"mapping/{heading}"),
        )
        for number, heading in enumerate(item.header)
    ]


def chosen(item: Import) -> dict[str, str]:
    """The form's mapping; a column that was not sent is left out."""
    return {
        heading: request.form.get(f"column-{number}", "").strip()
        for number, heading in enumerate(item.header)
    }


def fields() -> Sequence[tuple[str, str]]:
    """What every person has."""
    return list(TARGETS.items())


def wishes(session: Session) -> list[tuple[str, str]]:
    """Topics, as a whole and by channel; nobody is asked about security messages."""
    found = []
    for topic in topics.all_topics(session):
        if topic.klass == "security":
            continue
        found.append((f"{TOPIC}{topic.key}", f"Wants {topic.name}"))
        found += [
            (f"{TOPIC}{topic.key}:{name}", f"Wants {topic.name} by {_label(name)}")
            for name in CHANNELS
        ]
    return found


def _label(channel: str) -> str:
    return words.CHANNELS[channel].label


def _samples(item: Import, number: int) -> list[str]:
    rows = item.options.get("sample", [])
    cells = [str(row[number]).strip() for row in rows if number < len(row)]
    return list(dict.fromkeys(cell for cell in cells if cell))[:3]


def _attributes(heading: str, target: str) -> list[tuple[str, str]]:
    """The attribute named like the heading, and the chosen one where that is another."""
    names = [ATTRIBUTE + import_mapping.attribute_name(heading)]
    if target.startswith(ATTRIBUTE) and target not in names:
        names.append(target)
    return [(name, f"Attribute {name.removeprefix(ATTRIBUTE)}") for name in names]
