"""What the content step shows of one channel: fields, preview, problems, state of the others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from flask import request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app import ids
from app.audience import topics
from app.campaigns import content
from app.campaigns.models import Campaign
from app.console import access, content_form, content_panel, content_stage
from app.console.content_form import Content, Place
from app.content import templates, variables
from app.content.models import TemplateVersion
from app.sending import engine

OFFERED: Final = 100
_FALLBACKS: Final = {"first_name": "there"}
_TWIN: Final = {"ios": "android", "android": "ios"}


def merged(
    session: Session, campaign: Campaign, channel: str, form: "MultiDict[str, str]"
) -> Content:
    """The content with what was typed for this channel; for push perhaps for both phones.

    Raises Invalid with a pointer per wrong field.
    """
    version = content.version_of(session, campaign)
    written: Content = dict(version.content) if version else {}
    for part in content_form.PARTS[channel]:
        written = content_form.merge(written, Place(channel, part), form)
    if channel in _TWIN and form.get("same"):
        twin, part_of = _TWIN[channel], dict(written.get(channel, {}))
        if twin == "android":
            part_of.pop("subtitle", None)
        elif subtitle := written.get("ios", {}).get("subtitle"):
            part_of["subtitle"] = subtitle
        written = {**written, twin: part_of}
        if not part_of:
            del written[twin]
    return written


def context(
    session: Session, campaign: Campaign, channel: str, errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Everything around and in the form of one channel."""
    version = content.version_of(session, campaign)
    written = version.content if version else {}
    seen = content_stage.look(request.values)
    if "width" not in request.values:
        seen = replace(seen, width="desktop")
    may_see = access.may("people.find")
    stage = content_stage.build(session, written, {}, channel, seen, may_see_people=may_see)
    shown = {name: written[name] for name in campaign.channels if name in written}
    place = Place(channel, content_form.PARTS[channel][0])
    klass = content.class_of(session, campaign)
    panel = content_panel.build(shown, {}, klass, place, stage.values)
    origin = content.origin_of(session, campaign)
    part = written.get(channel, {})
    return {
        "channel": channel,
        "part": part,
        "typed": request.form if errors else {},
        "errors": errors or {},
        "stage": stage,
        "panel": panel,
        "findings": [f for f in panel.findings if f.problem.channel == channel],
        "tabs": {
            name: content_panel.state_of(written, panel.findings, name)
            for name in campaign.channels
        },
        "origin": origin,
        "origin_id": ids.encode("tpl", origin.id) if origin else "",
        "version_id": version.updated_at.timestamp() if version else 0,
        "size": content_stage.sms_size(str(written.get("sms", {}).get("body") or "")),
        "data_lines": content_form.write_data(part.get("data", {})),
        "twin": _TWIN.get(channel) if set(_TWIN) <= set(campaign.channels) else None,
        "same": is_same(version),
        "variables": offered(stage.values),
        "linked": content_stage.linked,
        "sender": engine.current().mail_from_name or engine.current().mail_from,
    }


def is_same(version: TemplateVersion | None) -> bool:
    """Whether both phones say the same, or one says nothing yet."""
    written = version.content if version else {}
    ios = {k: v for k, v in written.get("ios", {}).items() if k != "subtitle"}
    android = {k: v for k, v in written.get("android", {}).items() if k != "subtitle"}
    return not ios or not android or ios == android


def offered(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Variables to choose from, each with what is put into the text."""
    paths = [
        *variables.PERSON_FIELDS,
        *(f"attributes.{name}" for name in values.get("attributes") or {}),
        "unsubscribe_url",
        "preferences_url",
        "campaign.name",
    ]
    return [(path, _written(path)) for path in paths]


def template_choices(
    session: Session, campaign: Campaign, channel: str, typed: str
) -> list[tuple[str, str, str]]:
    """Published templates with content for the channel: id, name, key; those that fit come first.

    What fits is of the campaign's topic, else of its class: others often want data of a call.
    """
    classes = {topic.id: topic.klass for topic in topics.facts(session).values()}
    klass = content.class_of(session, campaign)
    found = [
        item.template
        for item in templates.list_(session, query=typed, limit=OFFERED).items
        if item.live_number is not None and channel in item.channels
    ]
    found.sort(
        key=lambda one: (one.topic_id != campaign.topic_id, classes.get(one.topic_id) != klass)
    )
    return [(ids.encode("tpl", one.id), one.name, one.key) for one in found]


def _written(path: str) -> str:
    fallback = _FALLBACKS.get(path)
    return f'{{{{ {path}|default("{fallback}") }}}}' if fallback else f"{{{{ {path} }}}}"
