"""Which version a template's key stands for: asked for every message of the API, hence cached."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import cache
from app.content.models import Template

_CACHE: Final = "template"


@dataclass(frozen=True, slots=True)
class Known:
    """A template in use; `version_id` is None until its first publication."""

    template_id: int
    version_id: int | None
    topic_id: int


def by_keys(session: Session, keys: Collection[str]) -> dict[str, Known]:
    """The templates in use among these keys, as they were at most a second ago.

    At most one round trip to the cache and one query.
    """
    found = {key: Known(**row) for key, row in cache.shared().get_near(_CACHE, keys).items()}
    lacking = [key for key in keys if key not in found]
    if lacking:
        rows = session.execute(
            select(
                Template.key, Template.id, Template.published_version_id, Template.topic_id
            ).where(Template.key.in_(lacking), Template.archived_at.is_(None))
        )
        loaded = {key: Known(found_id, version, topic) for key, found_id, version, topic in rows}
        cache.shared().set_near(_CACHE, {key: asdict(row) for key, row in loaded.items()})
        found |= loaded
    return found


def changed(session: Session, key: str) -> None:
    """Forget what is known of this key once the transaction has committed."""
    cache.invalidate_after_commit(session, _CACHE, [key])
