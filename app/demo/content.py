"""The demo's templates, from the files beside this module, published as a person would."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from typing import Any

from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.content import drafts, templates


def publish_all(
    session: Session, topics: Mapping[str, Topic], member_id: int, now: datetime
) -> dict[str, int]:
    """Create and publish every template; answers version keys by template key."""
    published = {}
    for key, found in _files():
        template = templates.create(
            session,
            key=key,
            name=found["name"],
            description=found["description"],
            topic_id=topics[found["topic"]].id,
            by=member_id,
            now=now,
        )
        drafts.save(
            session,
            template,
            found["content"],
            sample_data=found.get("sample_data"),
            by=member_id,
            now=now,
        )
        published[key] = drafts.publish(
            session, template, klass=topics[found["topic"]].klass, by=member_id, now=now
        ).id
    return published


def _files() -> Iterator[tuple[str, dict[str, Any]]]:
    folders = list(resources.files("app.demo").joinpath("templates").iterdir())
    read = []
    for folder in folders:
        found = json.loads(folder.joinpath("template.json").read_text(encoding="utf-8"))
        page = folder.joinpath("email.html")
        if page.is_file():
            found["content"]["email"]["html"] = page.read_text(encoding="utf-8")
        read.append((folder.name, found))
    yield from sorted(read, key=lambda item: item[1]["position"])
