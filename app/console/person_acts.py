"""What staff do for a person: choices, suppressions, devices, a message, erasing."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from flask import Blueprint, flash, g, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.audience import consent, contacts, devices, erasure, suppressions
from app.audience.consent import Choice
from app.audience.models import CHANNELS, Contact, Device
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Conflict, Invalid, NotFound
from app.sending import by_hand, copies

blueprint = Blueprint("person_acts", __name__, url_prefix="/people/<public_id>")
_NOTE_MAX: Final = 300


@blueprint.post("/preferences")
@access.allow("people.suppress")
def preferences(public_id: str) -> AnyResponse:
    """Opt out for somebody, always; opt in only with a note of how we know."""
    now = clock.now()
    with transaction() as session:
        contact = _person(session, public_id)
        try:
            changed = _set_choices(session, contact)
        except Invalid as refused:
            answer = pages.page("people/_choices_error.html", errors=refused.by_field())
            return forms.refused(answer, "#choices-error")
        note = forms.text("note")[:_NOTE_MAX]
        evidence = {"member": current_user.name, "note": note}
        consent.set_preferences(session, contact.id, changed, "console", evidence, now)
        if changed:
            words = {
                "opted in": sum(choice.opted_in for choice in changed) or None,
                "opted out": sum(not choice.opted_in for choice in changed) or None,
                "note": note or None,
            }
            audit.record(session, access.actor(), "contact.preferences", public_id, words, now)
    flash("Preferences saved." if changed else "Nothing was changed.", "done")
    return _back(public_id)


@blueprint.post("/suppress")
@access.allow("people.suppress")
def suppress(public_id: str) -> AnyResponse:
    """Never use one of this person's addresses again."""
    now = clock.now()
    kind, note = forms.text("kind"), forms.text("note")[:_NOTE_MAX]
    with transaction() as session:
        contact = _person(session, public_id)
        address = {"email": contact.email, "phone": contact.phone}.get(kind)
        if not address:
            raise Invalid.one("/kind", "no_address", "There is no such address to suppress.")
        suppressions.add_by_hand(session, kind, address, note, "console", now)
        detail = {"address": kind, "note": note or None}
        audit.record(session, access.actor(), "contact.suppress", public_id, detail, now)
    flash("Suppressed. Nothing is sent to this address any more.", "done")
    return _back(public_id)


@blueprint.post("/lift")
@access.allow("people.suppress")
def lift(public_id: str) -> AnyResponse:
    """Allow one of this person's addresses again; needs a note of why."""
    now = clock.now()
    kind, note = forms.text("kind"), forms.text("note")[:_NOTE_MAX]
    with transaction() as session:
        contact = _person(session, public_id)
        if not note:
            raise Invalid.one("/note", "missing", "Say why this address may be used again.")
        address = {"email": contact.email, "phone": contact.phone}.get(kind)
        entry = suppressions.check(session, kind, [address]).get(address) if address else None
        if entry is None:
            raise NotFound("This address is not suppressed any more.")
        suppressions.lift_by_id(session, entry.id)
        detail = {"address": kind, "was": entry.reason, "note": note}
        audit.record(session, access.actor(), "suppression.remove", public_id, detail, now)
    flash("The address may be used again.", "done")
    return _back(public_id)


@blueprint.post("/devices/<device_id>/remove")
@access.allow("people.suppress")
def remove_device(public_id: str, device_id: str) -> AnyResponse:
    """Forget a device; the app registers it again when it is next opened."""
    now = clock.now()
    with transaction() as session:
        contact = _person(session, public_id)
        key = ids.decode("dev", device_id)
        device = session.get(Device, key) if key is not None else None
        if device is None or device.contact_id != contact.id:
            raise NotFound("This person has no such device.")
        devices.remove(session, contact.id, device.token)
        detail = {"platform": device.platform}
        audit.record(session, access.actor(), "contact.remove_device", public_id, detail, now)
    flash("The device is forgotten. The app registers it again when it is next opened.", "done")
    return _back(public_id)


@blueprint.post("/send")
@access.allow("people.suppress")
def send(public_id: str) -> AnyResponse:
    """Send a published service template to this person."""
    now = clock.now()
    with transaction() as session:
        contact = _person(session, public_id)
        try:
            answer = by_hand.send(
                session,
                contact.id,
                forms.text("template"),
                [name for name in request.form.getlist("channel") if name in CHANNELS],
                _values(forms.text("data")),
                str(g.get("request_id", "")),
                now,
            )
        except Invalid as refused:
            errors = _send_errors(refused)
            page = pages.page("people/_send_error.html", errors=errors)
            return forms.refused(page, "#send-error")
        detail = {"template": forms.text("template"), "to": public_id}
        first = answer.messages[0].public_id if answer.messages else public_id
        audit.record(session, access.actor(), "message.send", first, detail, now)
    if len(answer.messages) == 1:
        return pages.go(url_for("messages.show", public_id=first))
    flash(f"{len(answer.messages)} messages were made; they are in the history.", "done")
    return _back(public_id)


@blueprint.post("/erase")
@access.allow("people.edit")
def erase(public_id: str) -> AnyResponse:
    """Erase a person for good, once their address (or id) was typed."""
    now = clock.now()
    with transaction() as session:
        contact = _person(session, public_id)
        if forms.text("typed") != confirmation(contact):
            raise Invalid.one("/typed", "not_confirmed", "Type the words to confirm.")
        erasure.erase(session, contact.id, now)
        copies.forget_person(session, contact.id)
        audit.record(session, access.actor(), "contact.erase", public_id, None, now)
    flash("Erased. What is left are figures without a name.", "done")
    return _back(public_id)


def confirmation(contact: Contact) -> str:
    """What must be typed before a person is erased."""
    return contact.email or contact.phone or contact.external_id or "erase"


def _person(session: Session, public_id: str) -> Contact:
    contact = contacts.by_public_id(session, public_id)
    if contact.erased_at is not None:
        raise Conflict("This person was erased.")
    return contact


def _set_choices(session: Session, contact: Contact) -> list[Choice]:
    """The choices that differ from what holds now. Raises Invalid for an opt-in without a note."""
    wanted = set(request.form.getlist("on"))
    shown = set(request.form.getlist("shown"))
    changed = []
    for row in consent.matrix(session, contact.id):
        for channel, standing in row.channels.items():
            name = f"{row.topic.id}:{channel}"
            if name in shown and not row.locked and (name in wanted) != standing.opted_in:
                changed.append(Choice(row.topic.id, channel, name in wanted))
    if any(choice.opted_in for choice in changed) and not forms.text("note"):
        message = "To opt somebody in, say how you know that they want it."
        raise Invalid.one("/note", "missing", message)
    return changed


def _values(written: str) -> Mapping[str, Any]:
    if not written:
        return {}
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError as error:
        raise Invalid.one("/data", "invalid_json", f"The values are not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Invalid.one("/data", "invalid_type", 'The values are an object: {"order": 7}.')
    return found


def _send_errors(refused: Invalid) -> list[str]:
    return list(dict.fromkeys(field.message for field in refused.fields))


def _back(public_id: str) -> AnyResponse:
    return pages.go(url_for("person.show", public_id=public_id))
