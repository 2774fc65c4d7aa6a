"""Lines of the audit trail in words: `key.create` reads "Created API key"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.accounts.models import AuditEntry

_NOUNS: Final[Mapping[str, str]] = {
    "key": "API key",
    "contact": "person",
    "workspace": "settings of",
    "session": "",
    "incident": "alert",
    "drill": "failure drill",
    "queue": "queue",
}
_VERBS: Final[Mapping[str, str]] = {
    "create": "Created",
    "change": "Changed",
    "edit": "Changed",
    "save": "Changed",
    "delete": "Deleted",
    "remove": "Removed",
    "archive": "Archived",
    "publish": "Published",
    "launch": "Started",
    "start": "Started",
    "pause": "Paused",
    "resume": "Resumed",
    "cancel": "Cancelled",
    "schedule": "Scheduled",
    "unschedule": "Unscheduled",
    "duplicate": "Duplicated",
    "restore": "Brought back",
    "rotate": "Rotated",
    "revoke": "Revoked",
    "disable": "Disabled",
    "enable": "Enabled",
    "suppress": "Suppressed",
    "erase": "Erased",
    "view": "Viewed content of",
    "retry": "Retried",
    "discard": "Discarded",
    "acknowledge": "Acknowledged",
    "close": "Closed",
    "import": "Imported",
    "export": "Exported",
    "send": "Sent",
    "test": "Sent a test of",
    "try": "Tried",
    "role": "Changed the role of",
    "reset_password": "Gave a one-time password to",
}
_WHOLE: Final[Mapping[str, str]] = {
    "session.begin": "Signed in",
    "session.end": "Signed out",
    "member.password": "Changed the own password",
    "installation.hold": "Held everything that would be sent",
    "installation.release": "Let Herald send again",
    "installation.discard": "Discarded everything that waited",
    "workspace.change": "Changed the settings of the workspace",
}
_LONGEST: Final = 120
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\x00", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Detail:
    """What a line adds: differences (field, before, after) and plain notes."""

    changes: list[tuple[str, str | None, str | None]]
    notes: list[str]

    def texts(self) -> list[str]:
        """Everything as plain text: for a spreadsheet."""
        said = [f"{name}: {before or '–'} → {after or '–'}" for name, before, after in self.changes]
        return [*said, *self.notes]


def said(entry: AuditEntry) -> tuple[str, str]:
    """What was done and to what; the second part is shown in bold and may be empty."""
    if entry.action in _WHOLE:
        return _WHOLE[entry.action], ""
    noun, _, verb = entry.action.partition(".")
    known = _NOUNS.get(noun, noun.replace("_", " "))
    word = _VERBS.get(verb) or verb.replace("_", " ").capitalize()
    if verb in ("role", "reset_password", "view") or not known:
        return word, entry.subject
    return f"{word} {known}", entry.subject


def shown_detail(entry: AuditEntry) -> Detail:
    """The detail of a line: `{"field": {"from": …, "to": …}}` is a difference."""
    changes: list[tuple[str, str | None, str | None]] = []
    notes: list[str] = []
    for name, value in entry.detail.items():
        if isinstance(value, dict) and set(value) == {"from", "to"}:
            changes.append((name, _plain(value["from"]), _plain(value["to"])))
        elif value not in (None, [], {}, "", False):
            words = name.replace("_", " ")
            notes.append(words if value is True else f"{words} {_plain(value)}")
    return Detail(changes, notes)


def spreadsheet(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    elif isinstance(value, dict):
        text = ", ".join(f"{key} {item}" for key, item in value.items())
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
