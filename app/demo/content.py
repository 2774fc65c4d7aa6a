"""The demo's templates: one folder each under `templates/`, with `template.json` and the HTML."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.content import drafts, templates

FOLDER: Final = Path(__file__).parent / "templates"
# Written before the first of the past campaigns.
AGE: Final = timedelta(days=120)


def read_all() -> dict[str, dict[str, Any]]:
    """Key -> name, topic, description, content and sample data, in the order of the list."""
    found = {path.parent.name: _read(path) for path in FOLDER.glob("*/template.json")}
    return dict(sorted(found.items(), key=lambda item: item[1]["position"]))


def publish_all(
    session: Session, topics: Mapping[str, int], member_id: int, now: datetime
) -> dict[str, int]:
    """Make and publish every template; the key of the version by the template's key."""
    klasses = {topic.id: topic.klass for topic in session.scalars(select(Topic))}
    made: dict[str, int] = {}
    for key, told in read_all().items():
        then = now - AGE + timedelta(days=told["position"])
        topic_id = topics[told["topic"]]
        template = templates.create(
            session,
            key=key,
            name=told["name"],
            topic_id=topic_id,
            description=told["description"],
            by=member_id,
            now=then,
        )
        drafts.save(
            session,
            template,
            told["content"],
            sample_data=told.get("sample_data"),
            by=member_id,
            now=then,
        )
        klass = klasses[topic_id]
        made[key] = drafts.publish(session, template, klass=klass, by=member_id, now=then).id
    return made


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    html = path.parent / "email.html"
    if html.exists():
        told["content"]["email"]["html"] = html.read_text(encoding="utf-8")
    return told
