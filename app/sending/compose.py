"""From facts and rendered content to what a provider is handed."""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from app import ids
from app.channels.base import EmailMessage, Message, PushMessage, SmsMessage
from app.content.render import (
    Rendered,
    RenderedEmail,
    RenderedPush,
    RenderedSms,
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
        given = [_given(engine, row, version.names, tracked=tracked) for row in group]
        results = render_batch(version, group[0].channel, given)
        rendered.extend(map(Composed, group, given, results))
    return rendered


def _given(engine: Engine, row: Row, names: Container[str], *, tracked: bool) -> RenderRow:
    """What rendering is given for one message; only links that are used are signed."""
    unsubscribe = _offers_one_click(row) or "unsubscribe_url" in names
    return RenderRow(
        variables=row.variables,
        token=engine.signers["track"].sign_id(row.id) if tracked and row.channel == "email" else "",
        unsubscribe_url=_link(engine, "unsubscribe", row) if unsubscribe else "",
        preferences_url=_link(engine, "preferences", row) if "preferences_url" in names else "",
    )


def _link(engine: Engine, purpose: str, row: Row) -> str:
    return f"{engine.public_url}/{purpose[0]}/{engine.signers[purpose].sign_id(row.id)}"


def _offers_one_click(row: Row) -> bool:
    return row.klass == "marketing" and row.channel == "email"


def message(
    engine: Engine,
    row: Row,
    given: RenderRow,
    content: RenderedEmail | RenderedSms | RenderedPush,
) -> Message:
    """The provider-neutral message for one row."""
    ref = ids.encode("ntf", row.id)
    attempt = row.attempts + 1
    if isinstance(content, RenderedEmail):
        return _email(engine, row, given, content, ref, attempt)
    if isinstance(content, RenderedSms):
        return SmsMessage(ref, attempt, row.address or "", content.body, row.expires_at)
    return _push(engine, row, content, ref, attempt)


def _email(
    engine: Engine, row: Row, given: RenderRow, content: RenderedEmail, ref: str, attempt: int
) -> EmailMessage:
    first, last = row.variables.get("first_name"), row.variables.get("last_name")
    return EmailMessage(
        ref=ref,
        attempt=attempt,
        to=row.address or "",
        to_name=f"{first} {last}" if first and last else str(first or last or ""),
        from_email=engine.mail_from,
        from_name=engine.mail_from_name,
        reply_to="",
        subject=content.subject,
        html=content.html,
        text=content.text,
        headers=_headers(row, given),
        shell=content.shell,
        substitutions=content.substitutions,
    )


def _headers(row: Row, given: RenderRow) -> Mapping[str, str]:
    """One-click unsubscribe (RFC 8058) on marketing; others are marked as automatic (RFC 3834)."""
    if not _offers_one_click(row):
        return {"Auto-Submitted": "auto-generated"}
    return {
        "List-Unsubscribe": f"<{given.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _push(engine: Engine, row: Row, content: RenderedPush, ref: str, attempt: int) -> PushMessage:
    device = row.device or {}
    data = {**content.data, "t": engine.signers["device"].sign_id(row.id)}
    return PushMessage(
        ref=ref,
        attempt=attempt,
        token=row.address or "",
        platform="ios" if row.channel == "ios" else "android",
        environment=device.get("environment") or "production",
        app=device.get("app") or "",
        title=content.title,
        subtitle=content.subtitle,
        body=content.body,
        image=content.image,
        url=content.url,
        data=data,
        expires_at=row.expires_at,
    )


def copy_facts(rows: Sequence[Row]) -> dict[str, Any]:
    """What must be kept so that each message can be shown as it was sent."""
    return {str(row.id): _plain(row.variables) for row in rows}


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in variables.items()
        if key != "person"
    }
