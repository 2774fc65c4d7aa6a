"""Reading a content as a careful colleague would, before it is published.

Errors stop publishing: the content could not be sent, or must not be. Warnings do not.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import TemplateSyntaxError

from app.content import lint_html, lint_values, syntax
from app.content.compile import FIELDS, environment_of, fields_of, read
from app.content.problems import Problem
from app.content.shape import require_fields
from app.content.sms_text import costly, measure, replacement

MOST: Final = 100  # problems; nobody reads more at a time
MAX_PUSH_BYTES: Final = 4_096
_LOCKED_TITLE: Final = 65
_LONG_SUBJECT: Final = 150
_OPT_OUT: Final = ("stop", "unsubscribe", "opt out", "unsubscribe_url", "preferences_url")


def check(
    content: Mapping[str, Any], klass: str, sample_data: Mapping[str, Any] | None = None
) -> list[Problem]:
    """All problems: errors first, then in the order of channels, fields and lines.

    `klass` is that of the topic; `sample_data` tells which variables the caller's data will have.
    """
    found = [*require_fields(content), *_syntax(content)]
    if not any(problem.rule == "syntax" for problem in found):
        found += lint_values.check(content, sample_data or {})
    found += lint_html.check(content, klass)
    found += _email(content)
    found += _sms(content, klass)
    found += _push(content)
    order = {channel: position for position, channel in enumerate(FIELDS)}
    found.sort(key=lambda p: (p.severity != "error", order.get(p.channel, 9), p.line, p.field))
    return found[:MOST]


def _syntax(content: Mapping[str, Any]) -> Iterator[Problem]:
    for channel, field, source in fields_of(content):
        try:
            read(field, source)
        except syntax.Refused as error:
            yield Problem("error", channel, field, error.line, "syntax", error.message)


def _email(content: Mapping[str, Any]) -> Iterator[Problem]:
    email = content.get("email") or {}
    subject = str(email.get("subject") or "")
    if len(subject) > _LONG_SUBJECT:
        message = f"The subject has {len(subject)} characters; most mailboxes show about 60."
        yield Problem("warning", "email", "subject", 1, "long_subject", message)
    if email and not email.get("preheader"):
        message = "Without preview text mailboxes show the first words of the mail."
        yield Problem("warning", "email", "preheader", 0, "no_preheader", message)


def _sms(content: Mapping[str, Any], klass: str) -> Iterator[Problem]:
    body = str((content.get("sms") or {}).get("body") or "")
    if not body:
        return
    text = literal_text(body)
    dear = costly(text)
    size = measure(text)
    if dear:
        first = dear[0]
        line = body[: body.find(first)].count("\n") + 1
        instead = replacement(first)
        fix = None if instead is None else (first, instead)
        message = f"{first} makes the whole message Unicode: 70 characters per segment, not 160."
        yield Problem("warning", "sms", "body", line, "sms_unicode", message, fix)
    if size.segments > 3:
        message = f"The text alone takes {size.segments} segments; each is billed."
        yield Problem("warning", "sms", "body", 0, "sms_long", message)
    if klass == "marketing" and not any(words in body.lower() for words in _OPT_OUT):
        message = "Marketing texts must say how to stop them, such as: Reply STOP to opt out."
        yield Problem("error", "sms", "body", 0, "no_opt_out", message)


def _push(content: Mapping[str, Any]) -> Iterator[Problem]:
    for channel in ("ios", "android"):
        part = content.get(channel)
        if not part:
            continue
        size = push_bytes(part)
        if size > MAX_PUSH_BYTES:
            message = f"The notification has {size:,} bytes; Apple and Google take 4,096."
            yield Problem("error", channel, "body", 0, "push_payload", message)
        title = literal_text(str(part.get("title") or ""))
        if len(title) > _LOCKED_TITLE:
            message = f"The title has {len(title)} characters; phones cut it after about 40."
            yield Problem("warning", channel, "title", 1, "long_title", message)
        yield from _push_addresses(channel, part)


def _push_addresses(channel: str, part: Mapping[str, Any]) -> Iterator[Problem]:
    image = str(part.get("image") or "")
    if image and "{{" not in image and not image.startswith("https://"):
        message = "Phones load images over https only."
        yield Problem("error", channel, "image", 1, "image_not_https", message)
    url = str(part.get("url") or "")
    if url and "{{" not in url and "://" not in url:
        message = "A link needs a scheme: https://… or the app's own, such as shop://offers."
        yield Problem("error", channel, "url", 1, "link_without_scheme", message)


def push_bytes(part: Mapping[str, Any]) -> int:
    """About the size of the payload, template parts taken as they are written, plus ours."""
    texts = [str(part.get(name) or "") for name in FIELDS["ios"]]
    data = part.get("data") or {}
    return 160 + sum(len(str(text).encode()) for text in [*texts, *data, *data.values()])


def literal_text(source: str) -> str:
    """The text without its template parts: what everybody's message has in common."""
    try:
        environment = environment_of("body")
        return "".join(text for _line, kind, text in environment.lex(source) if kind == "data")
    except TemplateSyntaxError:
        return source
