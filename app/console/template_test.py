"""Sending a test: the draft, as the previewed person would get it, to an address one gives."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, g
from flask_login import current_user
from sqlalchemy.orm import Session

from app import clock
from app.accounts import audit
from app.audience import topics
from app.console import access, content_form, content_stage, forms, pages
from app.console.content_form import Place
from app.console.templates import find
from app.console.typed_recipient import recipient
from app.content import drafts
from app.content.models import Template, TemplateVersion
from app.db import transaction
from app.errors import Invalid
from app.sending.accept import accept
from app.sending.requests import AcceptedMessage, Caller, Recipient, SendRequest

blueprint: Final = Blueprint("template_test", __name__, url_prefix="/templates")


@blueprint.post("/<public_id>/test")
@access.allow("templates.edit")
def send_test(public_id: str) -> Response:
    """One message on the channel that is open; it goes the way of every other message."""
    at = content_form.place(forms.text("at"))
    now = clock.now()
    try:
        to = recipient(at.channel, forms.text("to"))
        with transaction() as session:
            template = find(session, public_id)
            message = _send(session, template, at, to)
            detail = {"channel": at.channel}
            audit.record(session, access.actor(), "template.test", template.name, detail, now)
    except Invalid as refused:
        response = pages.page("templates/_tested.html", error=refused.message, message=None)
        response.status_code = 422
        return response
    return pages.page(
        "templates/_tested.html", error="", message=message, to=forms.text("to"), at=at
    )


def _send(session: Session, template: Template, at: Place, to: Recipient) -> AcceptedMessage:
    version = drafts.current(session, template)
    content = version.content if version else {}
    if at.channel not in content:
        raise Invalid.one("/to", "no_content", "There is nothing to send on this channel yet.")
    now = clock.now()
    frozen = drafts.freeze(session, {at.channel: content[at.channel]}, template.id, now)
    request = SendRequest(
        to=to,
        version_id=frozen,
        topic=topics.by_id(session, template.topic_id).key,
        channels=(at.channel,),
        data=_data(session, version),
        metadata={"test_of": template.key, "by": current_user.name},
    )
    answer = accept(session, [request], Caller("test", g.request_id), now)[0]
    if isinstance(answer, Invalid):
        raise answer
    return answer.messages[0]


def _data(session: Session, version: TemplateVersion | None) -> Mapping[str, Any]:
    """The values of the previewed person, given as data: the address itself is nobody we know."""
    may_see = access.may("people.find")
    person = content_stage.choose(session, forms.text("person"), may_see_people=may_see)
    values = content_stage.values_for(person, version.sample_data if version else {})
    return {name: value for name, value in values.items() if name not in ("person", "campaign")}
