"""From facts and rendered content to what a provider is handed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

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


def render(
    session: Session, engine: Engine, rows: Sequence[Row], *, tracked: bool
) -> list[tuple[Row, Rendered]]:
    """Render each row with its own version; rows of one version are rendered together."""
    versions: dict[int, list[Row]] = {}
    for row in rows:
        versions.setdefault(row.version_id, []).append(row)
    rendered: list[tuple[Row, Rendered]] = []
    for version_id, group in versions.items():
        version = compiled(session, version_id)
        results = render_batch(
            version, group[0].channel, [render_row(engine, row, tracked=tracked) for row in group]
        )
        rendered.extend(zip(group, results, strict=True))
    return rendered


def render_row(engine: Engine, row: Row, *, tracked: bool) -> RenderRow:
    """What rendering is given for one message."""
    key = row.id.to_bytes(8, "big")
    return RenderRow(
        variables=row.variables,
        token=engine.signers["track"].sign(key) if tracked else "",
        unsubscribe_url=f"{engine.public_url}/u/{engine.signers['unsubscribe'].sign(key)}",
        preferences_url=f"{engine.public_url}/p/{engine.signers['preferences'].sign(key)}",
    )


def message(
    engine: Engine, row: Row, content: RenderedEmail | RenderedSms | RenderedPush
) -> Message:
    """The provider-neutral message for one row."""
    ref = ids.encode("ntf", row.id)
    attempt = row.attempts + 1
    if isinstance(content, RenderedEmail):
        return _email(engine, row, content, ref, attempt)
    if isinstance(content, RenderedSms):
        return SmsMessage(ref, attempt, row.address or "", content.body, row.expires_at)
    return _push(engine, row, content, ref, attempt)


def _email(
    engine: Engine, row: Row, content: RenderedEmail, ref: str, attempt: int
) -> EmailMessage:
    name = " ".join(part for key in ("first_name", "last_name") if (part := row.variables.get(key)))
    return EmailMessage(
        ref=ref,
        attempt=attempt,
        to=row.address or "",
        to_name=name,
        from_email=engine.mail_from,
        from_name=engine.mail_from_name,
        reply_to="",
        subject=content.subject,
        html=content.html,
        text=content.text,
        headers=_headers(engine, row),
        shell=content.shell,
        substitutions=content.substitutions,
    )


def _headers(engine: Engine, row: Row) -> Mapping[str, str]:
    """One-click unsubscribe (RFC 8058) on marketing; others are marked as automatic (RFC 3834)."""
    if row.klass != "marketing":
        return {"Auto-Submitted": "auto-generated"}
    token = engine.signers["unsubscribe"].sign_id(row.id)
    return {
        "List-Unsubscribe": f"<{engine.public_url}/u/{token}>",
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
