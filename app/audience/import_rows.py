"""From the cells of a row to a checked record: the same verdicts as everywhere, only quicker."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.audience import addresses, fields, places
from app.audience.csv_cells import restored
from app.audience.csv_reading import Row
from app.audience.import_mapping import ATTRIBUTE, TOPIC
from app.audience.models import CHANNELS
from app.audience.topics import TopicFacts

_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?")
_YES_WORDS: Final = "1 yes y true t x on ja j oui o si s sim subscribed opted-in in"
_NO_WORDS: Final = "0 no n false f off nein non nao não unsubscribed opted-out opted_out optout out"
_YES: Final = frozenset(_YES_WORDS.split())
_NO: Final = frozenset(_NO_WORDS.split())
_KEPT_CELL: Final = 1000

Choice = tuple[int, str]  # topic id, channel


@dataclass(slots=True)
class Record:
    """One person of a file; None means that the file says nothing about the field."""

    line: int
    cells: list[str]
    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    country: str | None = None
    timezone: str | None = None
    tags: list[str] | None = None
    attributes: dict[str, Any] | None = None
    outs: list[Choice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not imported: where, why, and as it was."""

    line: int
    column: str
    reason: str
    cells: Sequence[str]


class Refused(Exception):
    """A cell cannot be used; the message is a sentence."""


Put = Callable[[Record, str], None]


class RowReader:
    """Reads rows of one file with one mapping (heading -> target)."""

    def __init__(
        self,
        header: Sequence[str],
        mapping: Mapping[str, str],
        topics: Mapping[str, TopicFacts],
    ) -> None:
        self._width = len(header)
        steps = [
            (number, heading, _put(target, topics))
            for number, heading in enumerate(header)
            if (target := mapping.get(heading))
        ]
        # The country comes first: it tells how to read a phone number without a code.
        steps.sort(key=lambda step: mapping[step[1]] != "country")
        self._steps = steps

    def read(self, row: Row) -> Record | Refusal:
        """The record, or why not."""
        if row.problem:
            return refusal(row.line, "", row.problem, row.cells)
        record = Record(row.line, row.cells)
        for number, heading, put in self._steps:
            cell = row.cells[number].strip()
            if not cell:
                continue
            try:
                put(record, restored(cell) if cell[0] == "'" else cell)
            except Refused as error:
                return refusal(row.line, heading, str(error), row.cells)
        if record.external_id or record.email or record.phone:
            return record
        words = "The row has no e-mail address, no phone number and no ID."
        return refusal(row.line, "", words, row.cells)


def refusal(line: int, column: str, reason: str, cells: Sequence[str]) -> Refusal:
    """A refusal whose cells can be stored."""
    return Refusal(line, column, reason, [_storable(cell) for cell in cells])


def _storable(cell: str) -> str:
    return cell[:_KEPT_CELL].replace("\x00", "\ufffd")


def _put(target: str, topics: Mapping[str, TopicFacts]) -> Put:
    if target.startswith(ATTRIBUTE):
        return _put_attribute(target.removeprefix(ATTRIBUTE))
    if target.startswith(TOPIC):
        key, _, channel = target.removeprefix(TOPIC).partition(":")
        channels = (channel,) if channel else CHANNELS
        return _put_opt_out([(topics[key].id, name) for name in channels], leaves=_NO, stays=_YES)
    if target == "unsubscribed":
        marketing = [fact.id for fact in topics.values() if fact.klass == "marketing"]
        everything = [(topic, channel) for topic in marketing for channel in CHANNELS]
        return _put_opt_out(everything, leaves=_YES, stays=_NO)
    return _FIELDS[target]


def _put_external_id(record: Record, cell: str) -> None:
    if problem := fields.check_external_id(cell):
        raise Refused(problem)
    record.external_id = cell


def _put_email(record: Record, cell: str) -> None:
    verdict = addresses.email(cell)
    if verdict.code:
        raise Refused(verdict.message)
    record.email = verdict.value


def _put_phone(record: Record, cell: str) -> None:
    verdict = addresses.phone(cell, record.country)
    if verdict.code:
        raise Refused(verdict.message)
    record.phone = verdict.value


def _put_name(name: str) -> Put:
    def put(record: Record, cell: str) -> None:
        setattr(record, name, _text(cell, fields.NAME_MAX))

    return put


def _put_full_name(record: Record, cell: str) -> None:
    first, _, last = _text(cell, 2 * fields.NAME_MAX).partition(" ")
    record.first_name = _text(first, fields.NAME_MAX)
    record.last_name = _text(last.strip(), fields.NAME_MAX) or None


def _put_place(name: str, read: Callable[[str], str | None], words: str) -> Put:
    def put(record: Record, cell: str) -> None:
        found = read(cell)
        if found is None:
            raise Refused(words)
        setattr(record, name, found)

    return put


def _put_tags(record: Record, cell: str) -> None:
    tags = sorted({tag.strip() for tag in re.split("[,;|]", cell) if tag.strip()})
    if len(tags) > fields.TAGS_MAX:
        raise Refused(f"A person can have at most {fields.TAGS_MAX} tags.")
    for tag in tags:
        if problem := fields.tag_problem(tag):
            raise Refused(problem)
    record.tags = tags


def _put_attribute(name: str) -> Put:
    def put(record: Record, cell: str) -> None:
        if record.attributes is None:
            record.attributes = {}
        record.attributes[name] = typed(_text(cell, fields.TEXT_MAX))

    return put


def typed(cell: str) -> Any:
    """A cell as attribute value: numbers without leading zeros, true and false, else text."""
    if cell in ("true", "false", "TRUE", "FALSE"):
        return cell.lower() == "true"
    if _NUMBER.fullmatch(cell):
        return float(cell) if "." in cell else int(cell)
    return cell


def _put_opt_out(choices: Sequence[Choice], leaves: frozenset[str], stays: frozenset[str]) -> Put:
    """An import may only lower consent: a "yes" is understood and changes nothing."""

    def put(record: Record, cell: str) -> None:
        said = cell.lower()
        if said in leaves:
            record.outs.extend(choices)
        elif said not in stays:
            raise Refused("Write yes or no.")

    return put


def _text(cell: str, most: int) -> str:
    if len(cell) > most:
        raise Refused(f"This is longer than {most:,} characters.")
    if problem := fields.unstorable(cell):
        raise Refused(problem)
    return cell


_FIELDS: Final[Mapping[str, Put]] = {
    "external_id": _put_external_id,
    "email": _put_email,
    "phone": _put_phone,
    "first_name": _put_name("first_name"),
    "last_name": _put_name("last_name"),
    "full_name": _put_full_name,
    "locale": _put_place("locale", places.locale, fields.PLACE_WORDS["locale"]),
    "country": _put_place("country", places.country, fields.PLACE_WORDS["country"]),
    "timezone": _put_place("timezone", places.timezone, fields.PLACE_WORDS["timezone"]),
    "tags": _put_tags,
}


class Chunk:
    """Some rows on their way to the database, the same person only once."""

    def __init__(self) -> None:
        self.rows = 0
        self.records: list[Record] = []
        self.merged = 0
        self.refusals: list[Refusal] = []
        self._by_key: dict[tuple[str, str], Record] = {}

    def add(self, found: Record | Refusal) -> None:
        """Take a row in; a person who is here already gets its fields, the later row wins."""
        self.rows += 1
        if isinstance(found, Refusal):
            self.refusals.append(found)
            return
        twin = self._twin(found)
        if twin is None:
            self.records.append(found)
            self._remember(found)
        else:
            self.merged += 1
            _merge(twin, found)
            self._remember(twin)

    def _twin(self, record: Record) -> Record | None:
        """Who is meant: by id, else by e-mail, else by phone; another id is another person."""
        if record.external_id and (twin := self._by_key.get(("id", record.external_id))):
            return twin
        key = _contact_key(record)
        twin = self._by_key.get(key) if key else None
        if twin and record.external_id and twin.external_id:
            return None
        return twin

    def _remember(self, record: Record) -> None:
        if record.external_id:
            self._by_key[("id", record.external_id)] = record
        if key := _contact_key(record):
            self._by_key.setdefault(key, record)


def _contact_key(record: Record) -> tuple[str, str] | None:
    if record.email:
        return ("email", record.email.lower())
    return ("phone", record.phone) if record.phone else None


def _merge(into: Record, later: Record) -> None:
    for name in _FIELD_NAMES:
        value = getattr(later, name)
        if value is not None:
            setattr(into, name, value)
    into.tags = sorted({*(into.tags or []), *(later.tags or [])}) or None
    if later.attributes:
        into.attributes = {**(into.attributes or {}), **later.attributes}
    into.outs += later.outs


_FIELD_NAMES: Final = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
)


def as_tuple(number: int, record: Record) -> tuple[Any, ...]:
    """A record as a line of the temporary table."""
    attributes = orjson.dumps(record.attributes).decode() if record.attributes else None
    return (
        number,
        record.external_id,
        record.email,
        record.phone,
        record.first_name,
        record.last_name,
        record.locale,
        record.country,
        record.timezone,
        _array(record.tags) if record.tags is not None else None,
        attributes,
    )


def _array(tags: Sequence[str]) -> str:
    """A text[] as COPY reads it: a third of the cost of the driver's own way."""
    quoted = (tag.replace("\\", "\\\\").replace('"', '\\"') for tag in tags)
    return "{" + ",".join(f'"{tag}"' for tag in quoted) + "}"
