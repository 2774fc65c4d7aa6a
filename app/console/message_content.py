"""Who may read what a message said, and what it said.

Owners and support give a reason once per person and hour, which is written into the audit trail.
Developers read what went to the sandbox. Nobody else reads content.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from flask import current_app
from flask import session as browser
from flask_login import current_user
from sqlalchemy.orm import Session

from app import ids
from app.accounts import audit, roles
from app.channels.carriers import carrier
from app.console import access
from app.content.render import Rendered, RenderedEmail, RenderedPush, RenderedSms, RenderFailure
from app.errors import Forbidden, Invalid
from app.sending import shown
from app.sending.models import Notification
from app.settings import Settings

Access = Literal["open", "reason", "no"]
REASONS: Final = {
    "asked": "The person asked about this message",
    "complaint": "A complaint",
    "fault": "Looking for a fault",
    "legal": "A legal request",
    "other": "Something else",
}
HOUR: Final = 3600
_KEY: Final = "content_seen"
_MOST: Final = 40


@dataclass(frozen=True, slots=True)
class Content:
    """What the card shows. `result` only with access "open"; `sent`: it was really handed over."""

    access: Access
    sent: bool = False
    result: Rendered | None = None
    gone: bool = False

    @property
    def email(self) -> RenderedEmail | None:
        """The result when it is an e-mail."""
        return self.result if isinstance(self.result, RenderedEmail) else None

    @property
    def sms(self) -> RenderedSms | None:
        """The result when it is a text message."""
        return self.result if isinstance(self.result, RenderedSms) else None

    @property
    def push(self) -> RenderedPush | None:
        """The result when it is a push notification."""
        return self.result if isinstance(self.result, RenderedPush) else None

    @property
    def failure(self) -> RenderFailure | None:
        """Why it could not be rendered."""
        return self.result if isinstance(self.result, RenderFailure) else None


def access_to(message: Notification) -> Access:
    """Whether the signed-in member reads this message's content now."""
    if not access.may("messages.content"):
        return "no"
    if current_user.role == roles.DEVELOPER:
        settings: Settings = current_app.config["HERALD"]
        return "open" if message.test or carrier(settings, message.channel).sandbox else "no"
    return "open" if _seen().get(_subject(message), 0) > time.time() else "reason"


def give_reason(
    session: Session, message: Notification, reason: str, note: str, now: datetime
) -> None:
    """Open the content of this person's messages for an hour. Raises Invalid, Forbidden."""
    if access_to(message) == "no":
        raise Forbidden("Your role does not read what messages say.")
    if reason not in REASONS:
        raise Invalid.one("/reason", "missing", "Choose why you need to read it.")
    if reason == "other" and not note:
        raise Invalid.one("/note", "missing", "Say in a few words why you need to read it.")
    detail = {
        "reason": REASONS[reason],
        "note": note[:200] or None,
        "message": ids.encode("ntf", message.id),
    }
    audit.record(session, access.actor(), "message.view", _subject(message), detail, now)
    kept = {name: until for name, until in _seen().items() if until > time.time()}
    kept[_subject(message)] = int(time.time()) + HOUR
    newest = sorted(kept, key=lambda name: kept[name])[-_MOST:]
    browser[_KEY] = {name: kept[name] for name in newest}


def load(session: Session, message: Notification, now: datetime) -> Content:
    """The content, as far as the member may read it."""
    permitted = access_to(message)
    if permitted != "open":
        return Content(permitted)
    settings: Settings = current_app.config["HERALD"]
    sent = shown.as_sent(session, message, settings.public_url)
    if sent is not None or message.attempts or message.handed_at:
        erased = message.address is None
        return Content("open", sent=True, result=None if erased else sent, gone=erased or not sent)
    would = shown.as_it_would_be(session, message, settings.public_url, now)
    return Content("open", sent=False, result=would, gone=would is None)


def _subject(message: Notification) -> str:
    """What one reason opens: everything of the person, or this message to a bare address."""
    if message.contact_id is not None:
        return ids.encode("con", message.contact_id)
    return ids.encode("ntf", message.id)


def _seen() -> Mapping[str, int]:
    found = browser.get(_KEY)
    return found if isinstance(found, dict) else {}
