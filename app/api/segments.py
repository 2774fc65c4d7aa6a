"""`/segments`: saved rules, and counting any rule."""

from typing import Final

from app import clock
from app.api.operations import Given, Operations, answers, needs
from app.api.schemas import segments as show
from app.api.schemas.segments import CountBody, CountReply, SegmentPath, SegmentQuery
from app.audience import rules, segments
from app.db import transaction
from app.errors import FieldError, Invalid

api: Final = Operations("segments", "Segments", "Saved rules over people.")


@api.get("/segments", responses=answers({200: show.SegmentPage}))
@needs("read", "campaigns")
def list_segments(query: SegmentQuery) -> Given:
    """Segments, newest first"""
    with transaction() as session:
        page = segments.page(session, query.cursor, query.limit, query.q or "")
        data = [show.shown(segment) for segment in page.items]
        return {"data": data, "next_cursor": page.next_cursor}, 200


@api.get("/segments/<string:id>", responses=answers({200: show.FullSegmentReply}))
@needs("read", "campaigns")
def get_segment(path: SegmentPath) -> Given:
    """One segment with its rule"""
    with transaction() as session:
        segment = segments.by_public_id(session, path.id)
        sentence = str(rules.describe(session, segment.rule))
        return {**show.shown(segment), "rule": segment.rule, "sentence": sentence}, 200


@api.post("/segments/count", responses=answers({200: CountReply}))
@needs("read", "campaigns")
def count_segment(body: CountBody) -> Given:
    """Count the people that a rule describes"""
    now = clock.now()
    try:
        with transaction() as session:
            return {
                "people": rules.count(session, body.rule, now),
                "sentence": str(rules.describe(session, body.rule)),
                "reach": rules.reach(session, body.rule, now),
            }, 200
    except Invalid as error:
        raise Invalid([_below_rule(field) for field in error.fields]) from error


def _below_rule(field: FieldError) -> FieldError:
    return FieldError(f"/rule{field.pointer}", field.code, field.message)
