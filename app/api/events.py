"""`/events`: what people did in the product, for segments."""

from typing import Final

from app import clock
from app.api.operations import Given, Operations, answers, needs
from app.api.problems import errors
from app.api.schemas.contacts import EventBody, EventsBody, EventsReply
from app.api.validation import check
from app.audience import product_events
from app.audience.product_events import ProductEvent
from app.db import transaction
from app.errors import Invalid

api: Final = Operations("events", "Events", "What people did in your product.")


@api.post("/events", responses=answers({202: EventsReply}))
@needs("contacts")
def post_events(body: EventsBody) -> Given:
    """Tell up to 500 events

    Either `{"events": […]}` or the fields of a single event. One transaction, one result per
    event, in order. A wrong event does not disturb the others.
    """
    read = [check(EventBody, item) for item in body.told()]
    told = [
        ProductEvent(item.external_id, item.name, item.at, item.properties)
        for item in read
        if isinstance(item, EventBody)
    ]
    with transaction() as session:
        kept = iter(product_events.record(session, told, clock.now()))
    outcomes = [item if isinstance(item, Invalid) else next(kept) for item in read]
    results = [
        {"status": 422, "errors": errors(outcome.fields)} if outcome else {"status": 202}
        for outcome in outcomes
    ]
    return {"results": results}, 202
