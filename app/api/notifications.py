"""`/notifications`: send, explain, look at, cancel."""

import secrets
from typing import Final

from flask import g
from sqlalchemy.orm import Session

from app import clock, ids
from app.api import intake, keys, messages
from app.api.operations import Given, Operations, answers, needs
from app.api.problems import errors
from app.api.schemas import notifications as show
from app.api.schemas.notifications import ListQuery, NotificationPath
from app.api.schemas.sending import BatchBody, BatchReply, SendBody, SendReply, reply
from app.api.validation import check
from app.audience import contacts
from app.db import transaction
from app.errors import Invalid, NotFound
from app.sending import control, engine, queries
from app.sending.accept import accept
from app.sending.explain import explain as explain_send
from app.sending.queries import Filters
from app.sending.requests import SendRequest

api: Final = Operations("notifications", "Notifications", "Send messages and follow them.")


@api.post("/notifications", responses=answers({202: SendReply}))
@needs("send")
def send_notification(body: SendBody) -> Given:
    """Send to one recipient

    202 means that the messages are committed in the database and will be sent, whatever happens to
    the queue. Messages that will not be sent are answered too, with the reason.
    """
    accepted = intake.accept_one(body.request(), keys.caller())
    if isinstance(accepted, Invalid):
        raise accepted
    return reply(_request_id(), accepted), 202


@api.post("/notifications/batch", responses=answers({202: BatchReply}))
@needs("send")
def send_batch(body: BatchBody) -> Given:
    """Send to up to 500 recipients

    One transaction, one result per send, in order. A wrong send does not disturb the others.
    """
    read = [check(SendBody, item) for item in body.notifications]
    wanted = [item.request() for item in read if isinstance(item, SendBody)]
    with transaction() as session:
        accepted = iter(accept(session, wanted, keys.caller(), clock.now()))
    results = []
    for item in read:
        outcome = next(accepted) if isinstance(item, SendBody) else item
        if isinstance(outcome, Invalid):
            results.append({"status": 422, "errors": errors(outcome.fields)})
        else:
            results.append({"status": 202, **reply(_request_id(), outcome)})
    return {"results": results}, 202


@api.post("/notifications/explain", responses=answers({200: show.ExplainReply}))
@needs("send")
def explain_notification(body: SendBody) -> Given:
    """Explain a send without sending

    The same body, the same checks, the real decision and the real text. Nothing is kept.
    """
    request: SendRequest = body.request()
    with transaction() as session:
        found = explain_send(session, engine.current(), request, keys.caller(), clock.now())
        if isinstance(found, Invalid):
            raise found
        unmasked = keys.has("contacts")
        return {"messages": [show.explained(item, unmasked) for item in found]}, 200


@api.get("/notifications/<string:id>", responses=answers({200: show.FullMessageReply}))
@needs("read")
def get_notification(path: NotificationPath) -> Given:
    """One message with every attempt and event"""
    with transaction() as session:
        row = queries.by_public_id(session, path.id)
        return messages.with_steps(session, row, keys.has("contacts")), 200


@api.get("/notifications", responses=answers({200: show.MessagePage}))
@needs("read")
def list_notifications(query: ListQuery) -> Given:
    """Messages, newest first"""
    with transaction() as session:
        filters = Filters(
            contact_id=_contact(session, query.contact),
            campaign_id=_campaign(query.campaign),
            channel=query.channel,
            status=query.status,
            since=query.since,
            until=query.until,
        )
        page = queries.search(session, filters, query.cursor, query.limit)
        data = messages.listed(session, page.items, keys.has("contacts"))
        return {"data": data, "next_cursor": page.next_cursor}, 200


@api.post("/notifications/<string:id>/cancel", responses=answers({200: show.FullMessageReply}))
@needs("send")
def cancel_notification(path: NotificationPath) -> Given:
    """Cancel a message

    200 when it will not be handed over; 409 when it already was.
    """
    with transaction() as session:
        row = queries.by_public_id(session, path.id)
        control.cancel(session, row.id, clock.now())
        session.refresh(row)
        return messages.with_steps(session, row, keys.has("contacts")), 200


def _contact(session: Session, external_id: str | None) -> int | None:
    if external_id is None:
        return None
    try:
        return contacts.by_external_id(session, external_id).id
    except NotFound as error:
        raise Invalid.one("/contact", "unknown_contact", error.message) from error


def _campaign(public_id: str | None) -> int | None:
    if public_id is None:
        return None
    key = ids.decode("cmp", public_id)
    if key is None:
        raise Invalid.one("/campaign", "invalid_id", "This is not the id of a campaign.")
    return key


def _request_id() -> str:
    """The id of the answer: the request's own, unless the caller named the request."""
    given = str(g.request_id)
    return given if given.startswith("req_") else f"req_{secrets.token_hex(12)}"
