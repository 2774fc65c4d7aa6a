"""`/contacts/{external_id}/devices`: push tokens of a person."""

from typing import Final

from app import clock
from app.api.operations import Given, Operations, answers, needs
from app.api.schemas import contacts as show
from app.api.schemas.contacts import DeviceBody, DevicePath, DeviceReply
from app.audience import contacts, devices
from app.db import transaction

api: Final = Operations("devices", "Devices", "Push tokens of people.")

_DEVICE: Final = "/contacts/<string:external_id>/devices/<string:token>"


@api.put(_DEVICE, responses=answers({200: DeviceReply, 201: DeviceReply}))
@needs("contacts")
def put_device(path: DevicePath, body: DeviceBody) -> Given:
    """Register a push token

    To be called at every start of the app. A token belongs to one person: whoever had it loses it.
    """
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        device, fresh = devices.register(
            session,
            found.id,
            body.platform,
            path.token,
            body.app,
            body.environment,
            clock.now(),
        )
        return show.device(device), 201 if fresh else 200


@api.delete(_DEVICE, responses=answers({204: None}))
@needs("contacts")
def delete_device(path: DevicePath) -> Given:
    """Forget a push token, as when the person signs out"""
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        devices.remove(session, found.id, path.token)
    return None, 204
