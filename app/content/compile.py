"""Compiling a content: everything that is the same for all people is done here, once.

Styles are inlined, links and the open pixel get their addresses, a missing text part is written,
and the e-mail is split into a shell and slots. What is left per person is filling in values.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import nodes

from app.channels.base import EmailShell
from app.content import links, markup, plaintext, syntax, variables
from app.content.problems import CannotCompile, Problem
from app.content.program import Program
from app.content.sandbox import HTML, TEXT, ContentEnvironment
from app.content.split import Slots

CHANNELS: Final = ("email", "sms", "ios", "android")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("subject", "preheader", "html", "text"),
    "sms": ("body",),
    "ios": ("title", "subtitle", "body", "image", "url"),
    "android": ("title", "subtitle", "body", "image", "url"),
}
TOKEN: Final = "__token"  # noqa: S105 -- the name of a template variable
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
MAX_NESTING: Final = 150
_PRINT_TOKEN: Final = f"{{{{ {TOKEN} }}}}"
_PADDING: Final = "&#847;&zwnj;&nbsp;" * 60
_HIDDEN: Final = (
    "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;"
    "font-size:1px;line-height:1px;color:transparent"
)
_PIXEL: Final = (
    '<img src="{url}" width="1" height="1" alt="" style="display:block;width:1px;height:1px">'
)

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SplitEmail:
    """The shell of an e-mail and the programs that fill its slots."""

    shell: EmailShell
    subject_tokens: tuple[str, ...]
    html_tokens: tuple[str, ...]
    text_tokens: tuple[str, ...]
    subject: Program
    html: Program
    text: Program


@dataclass(frozen=True, slots=True)
class EmailVariant:
    """One way to send an e-mail: with counted links and a pixel, or without."""

    subject: Program
    html: Program
    text: Program
    split: SplitEmail | None


@dataclass(frozen=True, slots=True)
class CompiledEmail:
    """An e-mail ready to be filled in. `inlined` is False when styles had to stay put."""

    tracked: EmailVariant
    plain: EmailVariant
    has_html: bool
    inlined: bool


@dataclass(frozen=True, slots=True)
class CompiledSms:
    """A text message ready to be filled in."""

    body: Program


@dataclass(frozen=True, slots=True)
class CompiledPush:
    """A push notification: title, subtitle, body, image, url, then the values of `data_keys`."""

    fields: Program
    data_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompiledVersion:
    """A content ready to be rendered; immutable and safe to share between threads.

    `names` are the variables it asks for, `paths` how they are written (`order.number`), `required`
    the paths without which it can never be rendered.
    """

    id: int | None
    names: tuple[str, ...]
    paths: tuple[str, ...]
    required: tuple[str, ...]
    links: tuple[links.CompiledLink, ...]
    email: CompiledEmail | None = None
    sms: CompiledSms | None = None
    ios: CompiledPush | None = None
    android: CompiledPush | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that this content can be sent on, in the usual order."""
        return tuple(name for name in CHANNELS if getattr(self, name) is not None)


def compile_content(
    content: Content,
    public_url: str,
    *,
    version_id: int | None = None,
    known_links: Mapping[str, int] | None = None,
) -> CompiledVersion:
    """Compile all channels. Raises CannotCompile with every problem found."""
    sources = _Sources(content)
    table = links.LinkTable(dict(known_links or {}))
    names = tuple(sorted({*sources.names, TOKEN}))
    try:
        return CompiledVersion(
            id=version_id,
            names=names,
            paths=tuple(sorted(sources.paths)),
            required=tuple(sorted(sources.required)),
            email=_email(content, public_url, table, names),
            sms=_sms(content, names),
            ios=_push(content.get("ios"), names),
            android=_push(content.get("android"), names),
            links=tuple(table.found.values()),
        )
    except syntax.Refused as error:
        channel = next((name for name in CHANNELS if name in content), "email")
        problem = Problem("error", channel, "", error.line, "syntax", error.message)
        raise CannotCompile([problem]) from error


class _Sources:
    """Checks every field as it was written, so that problems carry the writer's line numbers."""

    def __init__(self, content: Content) -> None:
        self.names: set[str] = set()
        self.paths: set[str] = set()
        self.required: set[str] = set()
        self._problems: list[Problem] = []
        for channel, field, source in fields_of(content):
            self._read(channel, field, source)
        if self._problems:
            raise CannotCompile(self._problems)

    def _read(self, channel: str, field: str, source: str) -> None:
        try:
            tree = read(field, source)
            self.names |= syntax.roots(tree)
            self.paths.update(syntax.paths(tree))
            self.required.update(use.path for use in variables.uses(tree) if use.required)
        except syntax.Refused as error:
            self._problems.append(
                Problem("error", channel, field, error.line, "syntax", error.message)
            )


def read(field: str, source: str) -> nodes.Template:
    """The checked tree of a field as it was written. Raises syntax.Refused."""
    tree = syntax.parse(environment_of(field), source)
    if field == "html" and markup.nesting(source) > MAX_NESTING:
        raise syntax.Refused(f"Elements stand more than {MAX_NESTING} deep in each other.", 0)
    return tree


def fields_of(content: Content) -> Sequence[tuple[str, str, str]]:
    """Every text of a content as `(channel, field, source)`; push data as field `data.<key>`."""
    found: list[tuple[str, str, str]] = []
    for channel in CHANNELS:
        part = content.get(channel)
        if not isinstance(part, Mapping):
            continue
        found += [(channel, name, str(part[name])) for name in FIELDS[channel] if part.get(name)]
        data = part.get("data") or {}
        found += [(channel, f"data.{key}", str(value)) for key, value in data.items()]
    return found


def environment_of(field: str) -> ContentEnvironment:
    """The dialect of a field: only `html` escapes its values."""
    return HTML if field == "html" else TEXT


def one_line(text: str) -> str:
    """A subject or title: control characters and line breaks become single spaces."""
    return text if text.isprintable() else _BREAKS.sub(" ", text)


def _program(environment: ContentEnvironment, source: str, names: Sequence[str]) -> Program:
    return Program(environment, [_tree(environment, source).body], names)


def _tree(environment: ContentEnvironment, source: str) -> nodes.Template:
    return syntax.parse(environment, source, ours=True)


def _sms(content: Content, names: Sequence[str]) -> CompiledSms | None:
    part = content.get("sms")
    if not part:
        return None
    return CompiledSms(_program(TEXT, str(part.get("body") or ""), names))


def _push(part: Mapping[str, Any] | None, names: Sequence[str]) -> CompiledPush | None:
    if not part:
        return None
    data = {str(key): str(value) for key, value in (part.get("data") or {}).items()}
    sources = [str(part.get(name) or "") for name in FIELDS["ios"]] + list(data.values())
    bodies = [_tree(TEXT, source).body for source in sources]
    return CompiledPush(Program(TEXT, bodies, names), tuple(data))


def _email(
    content: Content, public_url: str, table: links.LinkTable, names: Sequence[str]
) -> CompiledEmail | None:
    part = content.get("email")
    if not part:
        return None
    source = str(part.get("html") or "")
    marked = markup.protect(source)
    styled = markup.inline_styles(marked) if source else ""
    text = _text_part(str(part.get("text") or ""), marked)
    body = marked.html if styled is None else styled
    body = _with_preheader(body, str(part.get("preheader") or ""), marked)
    subject = one_line(str(part.get("subject") or ""))

    def variant(html_part: str, text_part: str) -> EmailVariant:
        return _variant(subject, marked.restore(html_part), marked.restore(text_part), names)

    def address(number: int) -> str:
        return f"{public_url}/c/{_PRINT_TOKEN}/{number}"

    counted = links.rewrite_html(body, table, address)
    if source:
        counted = markup.append(counted, _PIXEL.format(url=f"{public_url}/o/{_PRINT_TOKEN}.gif"))
    return CompiledEmail(
        tracked=variant(counted, links.rewrite_text(text, table, address)),
        plain=variant(body, text),
        has_html=bool(source),
        inlined=styled is not None,
    )


def _text_part(written: str, marked: markup.Marked) -> str:
    return markup.protect_text(written, marked) if written else plaintext.from_html(marked)


def _with_preheader(body: str, preheader: str, marked: markup.Marked) -> str:
    """The line that mailboxes show after the subject, hidden in the mail itself.

    Padding keeps the mailbox from filling the line with the mail's first words.
    """
    if not preheader or not body:
        return body
    words = html.escape(markup.protect_text(one_line(preheader), marked, HTML), quote=False)
    return markup.prepend(body, f'<div style="{_HIDDEN}">{words}{_PADDING}</div>')


def _variant(subject: str, html_part: str, text_part: str, names: Sequence[str]) -> EmailVariant:
    trees = (_tree(TEXT, subject), _tree(HTML, html_part), _tree(TEXT, text_part))
    split = _split(trees, names)
    subject_program, html_program, text_program = (
        Program(environment, [tree.body], names)
        for environment, tree in zip((TEXT, HTML, TEXT), trees, strict=True)
    )
    return EmailVariant(subject_program, html_program, text_program, split)


def _split(trees: Sequence[nodes.Template], names: Sequence[str]) -> SplitEmail | None:
    slots = [Slots(letter=letter) for letter in "sht"]
    shells = [part.shell(tree) for part, tree in zip(slots, trees, strict=True)]
    subject, html_part, text_part = shells
    if subject is None or html_part is None or text_part is None:
        return None
    programs = [
        Program(environment, [[*body] for body in part.bodies], names)
        for environment, part in zip((TEXT, HTML, TEXT), slots, strict=True)
    ]
    return SplitEmail(
        EmailShell(subject, html_part, text_part),
        tuple(slots[0].tokens),
        tuple(slots[1].tokens),
        tuple(slots[2].tokens),
        *programs,
    )
