"""`/templates`: look at them, and render one without sending."""

from typing import Final

from sqlalchemy.orm import Session

from app.api import keys
from app.api.operations import Given, Operations, answers, needs
from app.api.schemas import templates as show
from app.api.schemas.templates import RenderBody, TemplatePath, TemplateQuery
from app.audience import contacts, topics
from app.audience.models import Contact
from app.content import drafts, templates, variables, versions
from app.content.models import TemplateVersion
from app.db import transaction
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.sending import preview

api: Final = Operations("templates", "Templates", "Content per channel, found by its key.")


@api.get("/templates", responses=answers({200: show.TemplatePage}))
@needs("read")
def list_templates(query: TemplateQuery) -> Given:
    """Templates, newest first"""
    with transaction() as session:
        known = {topic.id: key for key, topic in topics.facts(session).items()}
        page = templates.list_(
            session,
            query=query.q or "",
            topic_id=_topic(session, query.topic),
            archived=query.archived,
            cursor=query.cursor,
            limit=query.limit,
        )
        data = [show.shown(item, known.get(item.template.topic_id, "")) for item in page.items]
        return {"data": data, "next_cursor": page.next_cursor}, 200


@api.get("/templates/<string:key>", responses=answers({200: show.FullTemplateReply}))
@needs("read")
def get_template(path: TemplatePath) -> Given:
    """One template with its published content"""
    with transaction() as session:
        template = templates.by_key(session, path.key)
        live = drafts.live(session, template)
        required = variables.missing(versions.compiled(session, live.id), {}) if live else []
        topic = topics.by_id(session, template.topic_id).key
        return show.full(templates.describe(session, template), topic, live, required), 200


@api.post("/templates/<string:key>/render", responses=answers({200: show.RenderReply}))
@needs("read")
def render_template(path: TemplatePath, body: RenderBody) -> Given:
    """Render a template without sending

    The same rendering as a send, for every channel that the template has content for. A channel
    that cannot be rendered says why and names the variable.
    """
    with transaction() as session:
        version = _version(session, path.key, draft=body.draft)
        contact = _contact(session, body.external_id)
        compiled = versions.compiled(session, version.id)
        values = preview.as_person(contact, body.data)
        results = {
            channel: preview.render(compiled, channel, [values], versions.public_url())[0]
            for channel in compiled.channels
        }
        shown = {channel: show.rendered(result) for channel, result in results.items()}
        return {"key": path.key, "version": version.number, "channels": shown}, 200


def _version(session: Session, key: str, *, draft: bool) -> TemplateVersion:
    template = templates.by_key(session, key)
    version = drafts.current(session, template) if draft else drafts.live(session, template)
    if version is None:
        kind = "content" if draft else "published version"
        raise Conflict(f"The template {key} has no {kind} yet.")
    return version


def _contact(session: Session, external_id: str | None) -> Contact | None:
    if external_id is None:
        return None
    if not keys.has("contacts"):
        raise Forbidden("Rendering as a person needs a key with the scope contacts.")
    try:
        return contacts.by_external_id(session, external_id)
    except NotFound as error:
        raise Invalid.one("/external_id", "unknown_contact", error.message) from error


def _topic(session: Session, key: str | None) -> int | None:
    if key is None:
        return None
    found = topics.facts(session).get(key)
    if found is None:
        raise Invalid.one("/topic", "unknown_topic", "There is no topic with this key.")
    return found.id
