"""The template editor: one part of one channel at a time, saved as it is typed.

Every save carries the revision it began from; when somebody else saved in between, nothing is
overwritten and the writer is told whose version to look at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit, members, workspace
from app.audience import topics
from app.audience.models import Topic
from app.campaigns import uses
from app.console import access, content_form, content_panel, content_stage, forms, pages
from app.console.content_form import Place
from app.console.templates import find
from app.content import drafts
from app.content.models import Template, TemplateVersion
from app.content.problems import CannotCompile
from app.content.render import RenderedEmail
from app.db import transaction
from app.errors import Conflict, Invalid, NotFound

blueprint: Final = Blueprint("template_editor", __name__, url_prefix="/templates")
# What a previewed mail may load: pictures and its own styles, nothing that runs or calls home.
PREVIEW_POLICY = (
    "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; "
    "font-src https: data:; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of a save: the content as it now is, and perhaps why it was not kept."""

    content: Mapping[str, Any]
    sample_data: Mapping[str, Any]
    errors: Mapping[str, str]
    conflict: str = ""

    @property
    def status(self) -> int:
        """409 when somebody else was first, 422 when a field cannot be kept."""
        return 409 if self.conflict else 422 if self.errors else 200


@blueprint.get("/<public_id>")
@access.allow("templates.view")
def show(public_id: str) -> Response:
    """The editor, open at `?at=email.html`."""
    with transaction() as session:
        template = find(session, public_id)
        version = drafts.current(session, template)
        at = content_form.place(request.args.get("at", "") or _first_place(version))
        saved = Saved(version.content if version else {}, _sample(version), {})
        return _page(session, public_id, template, version, at, saved)


@blueprint.post("/<public_id>")
@access.allow("templates.edit")
def save(public_id: str) -> AnyResponse:
    """Keep what was typed and go to the part that was asked for; works without scripts."""
    at = content_form.place(forms.text("at"))
    with transaction() as session:
        template = find(session, public_id)
        saved = _keep(session, template, at)
        if saved.status != 200:
            version = drafts.current(session, template)
            response = _page(session, public_id, template, version, at, saved)
            response.status_code = saved.status
            return response
    look = content_stage.look(request.form)
    target = forms.text("go") or at.key
    if at.part == "text" and target != at.key:
        look = replace(look, width="phone")
    query = urlencode({"at": target, **look.but()})
    return pages.go(f"{url_for('template_editor.show', public_id=public_id)}?{query}")


@blueprint.post("/<public_id>/_check")
@access.allow("templates.edit")
def check(public_id: str) -> AnyResponse:
    """Keep what was typed; answer everything around the editor, never the editor itself."""
    at = content_form.place(forms.text("at"))
    with transaction() as session:
        template = find(session, public_id)
        saved = _keep(session, template, at)
        version = drafts.current(session, template)
        context = _context(session, public_id, template, version, at, saved)
    response = pages.page("templates/_checked.html", **context)
    response.status_code = saved.status
    return pages.trigger(response, editor_marks={"marks": context["panel"].marks})


@blueprint.get("/<public_id>/_stage")
@access.allow("templates.view")
def stage(public_id: str) -> AnyResponse:
    """The preview alone: another person, width or theme."""
    with transaction() as session:
        template = find(session, public_id)
        version = drafts.current(session, template)
        at = content_form.place(request.args.get("at", ""))
        saved = Saved(version.content if version else {}, _sample(version), {})
        context = _context(session, public_id, template, version, at, saved)
    context["variables_too"] = True
    home = f"{url_for('template_editor.show', public_id=public_id)}?{urlencode(request.args)}"
    return pages.fragment("templates/_stage.html", home, **context)


@blueprint.get("/<public_id>/_people")
@access.allow("people.find")
def people(public_id: str) -> AnyResponse:
    """People to preview as, by name, address or id."""
    typed = request.args.get("q", "")
    seen = content_stage.look(request.args)
    with transaction() as session:
        find(session, public_id)
        found = content_stage.find_people(session, typed)
    home = url_for("template_editor.show", public_id=public_id)
    return pages.fragment(
        "templates/_people.html",
        home,
        people=found,
        typed=typed,
        public_id=public_id,
        look=seen,
        at=content_form.place(request.args.get("at", "")),
    )


@blueprint.get("/<public_id>/_preview")
@access.allow("templates.view")
def preview(public_id: str) -> Response:
    """The e-mail as a page of its own, for a sandboxed frame."""
    seen = content_stage.look(request.args)
    number = request.args.get("version", "")
    with transaction() as session:
        template = find(session, public_id)
        if number.isdigit():
            version: TemplateVersion | None = drafts.numbered(session, template, int(number[:9]))
        else:
            version = drafts.current(session, template)
        built = content_stage.build(
            session,
            version.content if version else {},
            _sample(version),
            "email",
            seen,
            may_see_people=access.may("people.find"),
        )
    html = built.result.html if isinstance(built.result, RenderedEmail) else ""
    response = Response(content_stage.themed(html, seen.theme), mimetype="text/html")
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/<public_id>/publish")
@access.allow("templates.edit")
def publish(public_id: str) -> AnyResponse:
    """Make the draft the version that is sent from now on."""
    now = clock.now()
    at = content_form.place(forms.text("at"))
    with transaction() as session:
        template = find(session, public_id)
        topic = topics.by_id(session, template.topic_id)
        try:
            version = drafts.publish(
                session,
                template,
                klass=topic.klass,
                seen=forms.text("rev") or None,
                by=current_user.id,
                now=now,
            )
        except (CannotCompile, Conflict) as refused:
            current = drafts.current(session, template)
            saved = Saved(current.content if current else {}, _sample(current), {}, refused.message)
            response = _page(session, public_id, template, current, at, saved)
            response.status_code = 409 if isinstance(refused, Conflict) else 422
            return response
        detail = {"version": version.number}
        audit.record(session, access.actor(), "template.publish", template.name, detail, now)
    flash(f"Version {version.number} is live.", "done")
    return pages.go(url_for("template_editor.show", public_id=public_id, at=at.key))


@blueprint.post("/<public_id>/discard")
@access.allow("templates.edit")
def discard(public_id: str) -> AnyResponse:
    """Throw the draft away and show what is live."""
    now = clock.now()
    with transaction() as session:
        template = find(session, public_id)
        drafts.discard(session, template, now)
        audit.record(session, access.actor(), "template.discard", template.name, None, now)
    flash("The draft is gone; this is what is live.", "done")
    return pages.go(url_for("template_editor.show", public_id=public_id))


@blueprint.post("/<public_id>/_copy")
@access.allow("templates.edit")
def copy_channel(public_id: str) -> AnyResponse:
    """Begin one push channel with the words of the other."""
    source, target = forms.text("from"), forms.text("to")
    if {source, target} != {"ios", "android"}:
        raise NotFound("Only push content can be copied.")
    with transaction() as session:
        template = find(session, public_id)
        version = drafts.current(session, template)
        content = dict(version.content) if version else {}
        part = dict(content.get(source, {}))
        content[target] = {**part, "subtitle": ""} if target == "android" else part
        drafts.save(session, template, content, by=current_user.id, now=clock.now())
    return pages.go(url_for("template_editor.show", public_id=public_id, at=f"{target}.push"))


def _keep(session: Session, template: Template, at: Place) -> Saved:
    """Save what the form holds, unless nothing changed, somebody was first, or it cannot be."""
    version = drafts.current(session, template)
    before = version.content if version else {}
    errors: dict[str, str] = {}
    content: Mapping[str, Any] = before
    sample: Mapping[str, Any] = _sample(version)
    try:
        content = content_form.merge(before, at, request.form)
    except Invalid as refused:
        errors |= refused.by_field()
    try:
        typed = content_form.read_sample(request.form.get("sample_data"))
        sample = sample if typed is None else typed
    except Invalid as refused:
        errors |= refused.by_field()
    changed = content != before or sample != _sample(version)
    if errors or not changed:
        return Saved(content, sample, errors)
    try:
        drafts.save(
            session,
            template,
            content,
            seen=forms.text("rev") or None,
            sample_data=dict(sample),
            by=current_user.id,
            now=clock.now(),
        )
    except Conflict as refused:
        return Saved(content, sample, {}, _who(session, version) or refused.message)
    return Saved(content, sample, {})


def _who(session: Session, version: TemplateVersion | None) -> str:
    """Whose save came in between."""
    if version is None or version.created_by is None:
        return ""
    name = members.names(session, {version.created_by}).get(version.created_by, "Somebody")
    return f"Not saved. {name} changed this template in the meantime."


def _page(
    session: Session,
    public_id: str,
    template: Template,
    version: TemplateVersion | None,
    at: Place,
    saved: Saved,
) -> Response:
    context = _context(session, public_id, template, version, at, saved)
    return pages.page("templates/editor.html", **context)


def _context(
    session: Session,
    public_id: str,
    template: Template,
    version: TemplateVersion | None,
    at: Place,
    saved: Saved,
) -> dict[str, Any]:
    topic: Topic = topics.by_id(session, template.topic_id)
    stage = content_stage.build(
        session,
        saved.content,
        saved.sample_data,
        at.channel,
        _look(at),
        may_see_people=access.may("people.find"),
    )
    panel = content_panel.build(saved.content, saved.sample_data, topic.klass, at, stage.values)
    live = drafts.live(session, template)
    return {
        "public_id": public_id,
        "tpl": template,
        "topic": topic,
        "topic_options": [(one.key, one.name) for one in topics.all_topics(session)],
        "at": at,
        "content": saved.content,
        "part": saved.content.get(at.channel, {}),
        "sample": content_form.write_sample(saved.sample_data),
        "typed": request.form if saved.status != 200 else {},
        "errors": saved.errors,
        "conflict": saved.conflict,
        "revision": drafts.revision(version),
        "version": version,
        "live": live,
        "is_draft": version is not None and version.state == "draft",
        "next_number": (live.number or 0) + 1 if live else 1,
        "used": uses.of_templates(session, [template.id]).get(template.id, 0),
        "waiting": uses.unfinished(session, template.id),
        "stage": stage,
        "panel": panel,
        "tabs": {
            channel: content_panel.state_of(saved.content, panel.findings, channel)
            for channel in content_form.PARTS
        },
        "parts": content_form.PARTS[at.channel],
        "part_labels": content_form.PART_LABELS,
        "size": content_stage.sms_size(_body(saved.content)),
        "data_lines": content_form.write_data(saved.content.get(at.channel, {}).get("data", {})),
        "linked": content_stage.linked,
        "sender": workspace.get(session).name,
        "may_edit": access.may("templates.edit") and template.archived_at is None,
    }


def _look(at: Place) -> content_stage.Look:
    """How the preview is looked at; beside the text part it shows the text part."""
    seen = content_stage.look(request.values)
    return replace(seen, width="text") if at.part == "text" else seen


def _body(content: Mapping[str, Any]) -> str:
    return str((content.get("sms") or {}).get("body") or "")


def _first_place(version: TemplateVersion | None) -> str:
    """Where the editor opens: at the first channel that there is."""
    content = version.content if version else {}
    return next((channel for channel in content_form.PARTS if content.get(channel)), "email")


def _sample(version: TemplateVersion | None) -> Mapping[str, Any]:
    return version.sample_data if version else {}
