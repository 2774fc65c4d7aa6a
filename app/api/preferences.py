"""`/contacts/{external_id}/preferences`: what a person wants to receive."""

from typing import Any, Final

from flask import g

from app import clock
from app.api import keys
from app.api.operations import Given, Operations, answers, needs
from app.api.schemas import contacts as show
from app.api.schemas.common import time
from app.api.schemas.contacts import ContactPath, PreferencesBody, PreferencesReply
from app.audience import consent, contacts
from app.db import transaction

api: Final = Operations("preferences", "Preferences", "What people want to receive.")

_PREFERENCES: Final = "/contacts/<string:external_id>/preferences"


@api.get(_PREFERENCES, responses=answers({200: PreferencesReply}))
@needs("contacts")
def get_preferences(path: ContactPath) -> Given:
    """What holds for every topic and channel"""
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        return show.preferences(consent.matrix(session, found.id)), 200


@api.patch(_PREFERENCES, responses=answers({200: PreferencesReply}))
@needs("contacts")
def change_preferences(path: ContactPath, body: PreferencesBody) -> Given:
    """Record what a person chose

    Kept in the consent ledger with time, source, API key and request. Topics of the class security
    know no choice.
    """
    now = clock.now()
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        choices = consent.choices_from(session, body.topics)
        consent.set_preferences(session, found.id, choices, "api", _evidence(body), now)
        return show.preferences(consent.matrix(session, found.id)), 200


def _evidence(body: PreferencesBody) -> dict[str, Any]:
    evidence = {
        "api_key": keys.current().id,
        "request_id": g.request_id,
        "source": body.source,
        "at": time(body.at),
    }
    return {name: value for name, value in evidence.items() if value is not None}
