"""`/contacts`: create, change, look at and erase people, one or many."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from app import clock, ids
from app.api import keys, messages
from app.api.operations import Given, Operations, answers, needs
from app.api.problems import errors
from app.api.schemas import contacts as show
from app.api.schemas.contacts import ContactBatch, ContactBatchReply, ContactBody, ContactPath
from app.api.schemas.contacts import ContactReply as Reply
from app.api.schemas.notifications import MessagePage
from app.api.validation import PageQuery
from app.audience import contacts, erasure, lookup
from app.audience.contacts import Upserted
from app.audience.lookup import Person
from app.db import transaction
from app.errors import Invalid, NotFound
from app.sending import copies, queries

api: Final = Operations("contacts", "Contacts", "People, their devices and what they chose.")


@api.put("/contacts/<string:external_id>", responses=answers({200: Reply, 201: Reply}))
@needs("contacts")
def put_contact(path: ContactPath, body: ContactBody) -> Given:
    """Create or change a person

    Absent fields stay as they are, null clears. 201 when the person is new.
    """
    with transaction() as session:
        done = contacts.upsert(session, path.external_id, body.change(), clock.now())
    with transaction() as session:
        status = 201 if done.created else 200
        return show.contact(person(session, path.external_id)), status


@api.get("/contacts/<string:external_id>", responses=answers({200: Reply}))
@needs("contacts")
def get_contact(path: ContactPath) -> Given:
    """One person with devices"""
    with transaction() as session:
        return show.contact(person(session, path.external_id)), 200


@api.delete("/contacts/<string:external_id>", responses=answers({204: None}))
@needs("contacts")
def erase_contact(path: ContactPath) -> Given:
    """Erase a person for good

    Name, addresses, devices and attributes go; messages stay, without address and content. The
    addresses are never written to again, even when they come back, unless another person has them.
    """
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        erasure.erase(session, found.id, clock.now())
        copies.forget_person(session, found.id)
    return None, 204


@api.post("/contacts/batch", responses=answers({200: ContactBatchReply}))
@needs("contacts")
def put_contacts(body: ContactBatch) -> Given:
    """Create or change up to 1,000 people

    One transaction, one result per person, in order. A wrong person does not disturb the others.
    """
    items = [item if isinstance(item, Mapping) else {} for item in body.contacts]
    with transaction() as session:
        done = contacts.upsert_many(session, items, clock.now())
    results = [_result(item, outcome) for item, outcome in zip(items, done, strict=True)]
    return {"results": results}, 200


@api.get("/contacts/<string:external_id>/notifications", responses=answers({200: MessagePage}))
@needs("contacts", "read")
def list_contact_notifications(path: ContactPath, query: PageQuery) -> Given:
    """A person's messages over all channels, newest first"""
    with transaction() as session:
        found = contacts.by_external_id(session, path.external_id)
        page = queries.history_of_contact(session, found.id, query.cursor, query.limit)
        data = messages.listed(session, page.items, keys.has("contacts"))
        return {"data": data, "next_cursor": page.next_cursor}, 200


def person(session: Session, external_id: str) -> Person:
    """The person, from the cache where possible. Raises NotFound."""
    found = lookup.people(session, [external_id]).get(external_id)
    if found is None:
        raise NotFound("There is no person with this id.")
    return found


def _result(item: Mapping[str, Any], outcome: Upserted | Invalid) -> dict[str, Any]:
    if isinstance(outcome, Invalid):
        return {"status": 422, "errors": errors(outcome.fields)}
    return {
        "status": 201 if outcome.created else 200,
        "id": ids.encode("con", outcome.contact_id),
        "external_id": item["external_id"],
    }
