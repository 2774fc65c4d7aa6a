"""Events on demand: what the control API says is to have happened to one message."""

from typing import Any, Final

from app.sandbox import letters
from app.sandbox.events import sendgrid, twilio
from app.sandbox.events.emitter import Emitter
from app.sandbox.events.settings import BadSettingsError
from app.sandbox.journal import Line
from app.sandbox.store import Place, Store
from app.sandbox.wire import Answer, Call, Recipient

_KINDS: Final[dict[str, sendgrid.Event]] = {
    "bounce": sendgrid.BOUNCED,
    "blocked": sendgrid.BLOCKED,
    "dropped": sendgrid.DROPPED,
    "deferred": sendgrid.DEFERRED,
    "delivered": sendgrid.DELIVERED,
}


def tell(emitter: Emitter, store: Store, line: Line, script: dict[str, Any]) -> None:
    """Tell Herald about an accepted message. Raises BadSettingsError.

    For e-mail `event` is a word of SendGrid's (`bounce`, `open`, `click`, ...) and `fields` are
    added to it; for texts it is a status of Twilio's, with an `error` code. A `silent` one is known
    to whoever looks the text up, but is not told.
    """
    event = str(script.get("event", ""))
    if not event:
        raise BadSettingsError("event: what happened?")
    if line["provider"] == "sendgrid":
        _tell_mail(emitter, line, event, script)
    elif line["provider"] == "twilio":
        error = str(script.get("error", ""))
        if script.get("silent"):
            emitter.texts.move(line["message_id"], event, error)
        else:
            emitter.tell_status(_text(store, line), event, error)
    else:
        raise BadSettingsError(f"notification: {line['provider']} sends no events.")


def _tell_mail(emitter: Emitter, line: Line, event: str, script: dict[str, Any]) -> None:
    person = Recipient(line["to"], line["notification"], line["attempt"])
    call = Call(
        "sendgrid", "email", Answer(202), True, "202", [person], message_id=line["message_id"]
    )
    args = {"nid": person.notification, "att": person.attempt}
    kind = {**_KINDS.get(event, {"event": event}), **(script.get("fields") or {})}
    found = sendgrid.events(call, 0, args, (kind,))
    emitter.emit(found * int(script.get("times", 1)), float(script.get("delay_s", 0)))


def _text(store: Store, line: Line) -> twilio.Text:
    *place, at = line.get("stored", (0, 0, 0, 0))
    letter = letters.read("twilio", line["to"], at, store.body(Place(*place)) or b"")
    service = dict(letter.data).get("MessagingServiceSid", "")
    return twilio.Text(line["message_id"], letter.sender, line["to"], service, letter.callback)
