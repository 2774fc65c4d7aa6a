"""From facts and rendered content to what a provider is handed."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy.orm import Session

from app import ids
from app.audience import contacts
from app.channels.base import EmailMessage, Message, PushMessage, SmsMessage
from app.content.render import (
    Rendered,
    RenderedEmail,
    RenderRow,
    render_batch,
)
from app.content.versions import compiled
from app.sending.engine import Engine
from app.sending.facts import Row


class Composed(NamedTuple):
    """A row with its own links and tokens, and what rendering made of it."""

    row: Row
    given: RenderRow
    content: Rendered


def render(
    session: Session, engine: Engine, rows: Sequence[Row], *, tracked: bool
) -> list[Composed]:
    """Render each row with its own version; rows of one version are rendered together."""
    versions: dict[int, list[Row]] = {}
    for row in rows:
        versions.setdefault(row.version_id, []).append(row)
    rendered: list[Composed] = []
    for version_id, group in versions.items():
        version = compiled(session, version_id)
        given = _given(engine, group, version.names, tracked=tracked)
        results = render_batch(version, group[0].channel, given)
        rendered.extend(map(Composed, group, given, results))
    return rendered


def _given(
    engine: Engine, rows: Sequence[Row], names: Container[str], *, tracked: bool
) -> list[RenderRow]:
    """What rendering is given for each message; only links that are used are signed."""
    keys = [row.id for row in rows]
    nothing = [""] * len(rows)
    counted = tracked and rows[0].channel == "email"
    tokens = engine.signers["track"].sign_ids(keys) if counted else nothing
    unsubscribe, preferences = nothing, nothing
    if "unsubscribe_url" in names:
        unsubscribe = _links(engine, "unsubscribe", keys)
    elif any(map(_offers_one_click, rows)):
        links = _links(engine, "unsubscribe", keys)
        unsubscribe = [
            link if _offers_one_click(row) else "" for row, link in zip(rows, links, strict=True)
        ]
    if "preferences_url" in names:
        preferences = _links(engine, "preferences", keys)
    variables = [row.variables for row in rows]
    return list(map(RenderRow, variables, tokens, unsubscribe, preferences))


def _links(engine: Engine, purpose: str, keys: Sequence[int]) -> list[str]:
    start = f"{engine.public_url}/{purpose[0]}/"
    return [start + token for token in engine.signers[purpose].sign_ids(keys)]


def _offers_one_click(row: Row) -> bool:
    return row.klass == "marketing" and row.channel == "email"


def messages(engine: Engine, composed: Sequence[Composed]) -> list[Message]:
    """The provider-neutral message for each row of one channel; no content is a failure."""
    if not composed:
        return []
    if composed[0].row.channel == "email":
        return [_email(engine, one, ids.encode("ntf", one.row.id)) for one in composed]
    if composed[0].row.channel == "sms":
        return [_sms(one.row, ids.encode("ntf", one.row.id), one.content) for one in composed]
    tokens = engine.signers["device"].sign_ids([one.row.id for one in composed])
    return [
        _push(one.row, ids.encode("ntf", one.row.id), one.content, token)
        for one, token in zip(composed, tokens, strict=True)
    ]


def _sms(row: Row, ref: str, content: Any) -> SmsMessage:
    return SmsMessage(ref, row.attempts + 1, row.address or "", content.body, row.expires_at)


def _email(engine: Engine, one: Composed, ref: str) -> EmailMessage:
    row, given = one.row, one.given
    content = cast(RenderedEmail, one.content)
    get = row.variables.get
    # By position: names double the cost of making one.
    return EmailMessage(
        ref,
        row.attempts + 1,
        row.address or "",
        contacts.full_name(get("first_name"), get("last_name")),
        engine.mail_from,
        engine.mail_from_name,
        "",
        content.subject,
        content.html,
        content.text,
        _headers(row, given),
        content.shell,
        content.substitutions,
    )


def _headers(row: Row, given: RenderRow) -> Mapping[str, str]:
    """One-click unsubscribe (RFC 8058) on marketing; others are marked as automatic (RFC 3834)."""
    if not _offers_one_click(row):
        return {"Auto-Submitted": "auto-generated"}
    return {
        "List-Unsubscribe": f"<{given.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _push(row: Row, ref: str, content: Any, token: str) -> PushMessage:
    device = row.device or {}
    return PushMessage(
        ref,
        row.attempts + 1,
        row.address or "",
        "ios" if row.channel == "ios" else "android",
        device.get("environment") or "production",
        device.get("app") or "",
        content.title,
        content.subtitle,
        content.body,
        content.image,
        content.url,
        {**content.data, "t": token},
        row.expires_at,
    )


def copy_facts(rows: Sequence[Row]) -> dict[str, Any]:
    """What must be kept so that each message can be shown as it was sent, for JSON."""
    return {str(row.id): _plain(row.variables) for row in rows}


def _plain(variables: dict[str, Any]) -> dict[str, Any]:
    """Without `person`, which repeats the rest."""
    kept = variables.copy()
    del kept["person"]
    return kept
