"""Rendering a compiled version for many people at once; previews, tests and sends all come here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.channels.base import EmailShell
from app.content.compile import (
    TOKEN,
    CompiledEmail,
    CompiledPush,
    CompiledSms,
    CompiledVersion,
    EmailVariant,
    SplitEmail,
    one_line,
)
from app.content.problems import MissingVariable
from app.content.program import Row as Values
from app.content.sandbox import Missing
from app.content.sms_text import measure, normalise
from app.content.variables import PERSON_FIELDS, resolves

MAX_SMS: Final = 1_600  # characters; Twilio refuses longer ones (error 21617)
# SendGrid takes at most 10,000 bytes of substitutions per person; the rest is for headers.
MAX_SUBSTITUTIONS: Final = 8_000

# What is known of every person, if only as "nothing": using it is never an error.
_ALWAYS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(PERSON_FIELDS),
    "attributes": {},
    "tags": [],
    "person": dict.fromkeys(PERSON_FIELDS),
    "campaign": {"name": None},
}


# One of these is made for each recipient. They are to be treated as frozen, and are not declared
# so, because a frozen dataclass costs three times as much to make.
@dataclass(slots=True)
class RenderRow:
    """One person's values. An empty `token` means: original links and no open pixel."""

    variables: Mapping[str, Any]
    token: str = ""
    unsubscribe_url: str = ""
    preferences_url: str = ""


@dataclass(slots=True)
class RenderedEmail:
    """An e-mail: either whole, or a shell shared with others and what to put in its places."""

    subject: str
    html: str
    text: str
    shell: EmailShell | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)

    def whole(self) -> "RenderedEmail":
        """The same e-mail without a shell, as the recipient will read it."""
        if self.shell is None:
            return self
        return RenderedEmail(
            _fill(self.shell.subject, self.substitutions),
            _fill(self.shell.html, self.substitutions),
            _fill(self.shell.text, self.substitutions),
        )


@dataclass(slots=True)
class RenderedSms:
    """A text message with what it will be billed as."""

    body: str
    segments: int
    encoding: str


@dataclass(slots=True)
class RenderedPush:
    """A push notification without its addressee."""

    title: str
    subtitle: str
    body: str
    image: str
    url: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RenderFailure:
    """One person's message cannot be made. `variable` is the one without a value, if that is it."""

    variable: str | None
    message: str


Rendered = RenderedEmail | RenderedSms | RenderedPush | RenderFailure


def render_batch(
    version: CompiledVersion, channel: str, rows: Sequence[RenderRow]
) -> list[Rendered]:
    """One result per row, in order. A row that cannot be rendered does not disturb the others."""
    if getattr(version, channel) is None:
        return [RenderFailure(None, "There is no content for this channel.") for _ in rows]
    values = _values(version.names, rows)
    try:
        return _render(version, channel, rows, values)
    except Exception:
        return [
            _render_one(version, channel, row, value)
            for row, value in zip(rows, values, strict=True)
        ]


def _render_one(version: CompiledVersion, channel: str, row: RenderRow, value: Values) -> Rendered:
    try:
        return _render(version, channel, [row], [value])[0]
    except MissingVariable as error:
        path = _full_path(version.paths, error.path, row.variables)
        return RenderFailure(path, f"The variable {path} has no value.")
    except Exception as error:
        return RenderFailure(None, _explain(error))


def _render(
    version: CompiledVersion, channel: str, rows: Sequence[RenderRow], values: Sequence[Values]
) -> list[Rendered]:
    compiled: CompiledEmail | CompiledSms | CompiledPush = getattr(version, channel)
    match compiled:
        case CompiledEmail():
            return _emails(compiled, rows, values)
        case CompiledSms():
            return [_sms(parts[0]) for parts in compiled.body.run(values)]
        case CompiledPush():
            return [_push(compiled, parts) for parts in compiled.fields.run(values)]


def _values(names: Sequence[str], rows: Sequence[RenderRow]) -> list[Values]:
    """Each row's values in the order of `names`, collected name by name."""
    given = [row.variables for row in rows]
    ours = {
        TOKEN: [row.token for row in rows],
        "unsubscribe_url": [row.unsubscribe_url for row in rows],
        "preferences_url": [row.preferences_url for row in rows],
    }
    columns = [ours[name] if name in ours else _column(name, given) for name in names]
    return list(zip(*columns, strict=True)) if columns else [()] * len(rows)


def _column(name: str, given: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    try:
        return [one[name] for one in given]
    except KeyError:  # somebody lacks it
        fallback = _ALWAYS[name] if name in _ALWAYS else Missing.named(name)
        return [one.get(name, fallback) for one in given]


def _emails(
    email: CompiledEmail, rows: Sequence[RenderRow], values: Sequence[Values]
) -> list[Rendered]:
    """Rows with and without a token take different variants; the order stays."""
    if all(row.token for row in rows):
        return [*_variant(email.tracked, values)]
    found: list[Rendered | None] = [None] * len(rows)
    for tracked, variant in ((True, email.tracked), (False, email.plain)):
        chosen = [index for index, row in enumerate(rows) if bool(row.token) is tracked]
        if chosen:
            made = _variant(variant, [values[index] for index in chosen])
            for index, result in zip(chosen, made, strict=True):
                found[index] = result
    return [result for result in found if result is not None]


def _variant(variant: EmailVariant, values: Sequence[Values]) -> list[RenderedEmail]:
    if variant.split is None or len(values) == 1:
        return _whole(variant, values)
    emails = _from_shell(variant.split, values)
    large = [i for i, email in enumerate(emails) if _too_large(email.substitutions)]
    if large:
        for index, email in zip(large, _whole(variant, [values[i] for i in large]), strict=True):
            emails[index] = email
    return emails


def _from_shell(split: SplitEmail, values: Sequence[Values]) -> list[RenderedEmail]:
    tokens = (*split.subject_tokens, *split.html_tokens, *split.text_tokens)
    shell = split.shell
    return [
        RenderedEmail(
            "",
            "",
            "",
            shell,
            dict(zip(tokens, (*map(one_line, subject), *body, *text), strict=True)),
        )
        for subject, body, text in zip(
            split.subject.run(values), split.html.run(values), split.text.run(values), strict=True
        )
    ]


def _whole(variant: EmailVariant, values: Sequence[Values]) -> list[RenderedEmail]:
    return [
        RenderedEmail(one_line(subject[0]), body[0], text[0])
        for subject, body, text in zip(
            variant.subject.run(values),
            variant.html.run(values),
            variant.text.run(values),
            strict=True,
        )
    ]


def _too_large(substitutions: Mapping[str, str]) -> bool:
    size = sum(map(len, substitutions.values()))
    if size * 4 < MAX_SUBSTITUTIONS:
        return False
    return sum(len(value.encode()) for value in substitutions.values()) > MAX_SUBSTITUTIONS


def _sms(text: str) -> RenderedSms | RenderFailure:
    body = normalise(text).strip()
    if not body:
        return RenderFailure(None, "The text message is empty.")
    if len(body) > MAX_SMS:
        return RenderFailure(None, f"The text message is longer than {MAX_SMS:,} characters.")
    size = measure(body)
    return RenderedSms(body, size.segments, size.encoding)


def _push(push: CompiledPush, parts: Sequence[str]) -> RenderedPush:
    title, subtitle, body, image, url, *data = parts
    return RenderedPush(
        one_line(title).strip(),
        one_line(subtitle).strip(),
        body.strip(),
        one_line(image).strip(),
        one_line(url).strip(),
        dict(zip(push.data_keys, data, strict=True)),
    )


def _fill(text: str, substitutions: Mapping[str, str]) -> str:
    for token, value in substitutions.items():
        text = text.replace(token, value)
    return text


def _full_path(paths: Sequence[str], name: str, variables: Mapping[str, Any]) -> str:
    """The variable as the template writes it: `eta` was asked of `order`, so `order.eta`."""
    written = [path for path in paths if path == name or path.endswith(f".{name}")]
    for path in written:
        if not resolves(path, variables):
            return path
    return written[0] if written else name


def _explain(error: Exception) -> str:
    message = str(error).strip() or type(error).__name__
    return message if message.endswith(".") else f"The template cannot be worked out: {message}."
