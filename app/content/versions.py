"""Compiled versions, kept per process: a published or frozen version never changes."""

import threading
from collections import OrderedDict
from typing import Final

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.content.compile import CompiledVersion, compile_content
from app.content.models import Link, TemplateVersion
from app.errors import NotFound
from app.settings import Settings

KEPT: Final = 256


class _Kept:
    """The most recently used compiled versions; safe to use from many threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._versions: OrderedDict[tuple[int, str], CompiledVersion] = OrderedDict()

    def get(self, key: tuple[int, str]) -> CompiledVersion | None:
        with self._lock:
            found = self._versions.get(key)
            if found is not None:
                self._versions.move_to_end(key)
            return found

    def put(self, key: tuple[int, str], version: CompiledVersion) -> None:
        with self._lock:
            self._versions[key] = version
            while len(self._versions) > self._size:
                self._versions.popitem(last=False)


_kept = _Kept(KEPT)


def compiled(session: Session, version_id: int) -> CompiledVersion:
    """The version ready to be rendered. Raises NotFound, and CannotCompile for a broken draft.

    Immutable versions are found without a query after the first time; compiling costs
    milliseconds. Two threads that miss at once both compile, and either result serves.
    """
    url = public_url()
    kept = _kept.get((version_id, url))
    if kept is not None:
        return kept
    row = session.execute(
        select(TemplateVersion.content, TemplateVersion.state).where(
            TemplateVersion.id == version_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such version of a template.")
    links = session.execute(select(Link.url, Link.number).where(Link.version_id == version_id))
    known = {row.url: row.number for row in links}
    version = compile_content(row.content, url, version_id=version_id, known_links=known)
    if row.state != "draft":
        _kept.put((version_id, url), version)
    return version


def public_url() -> str:
    """Where links of e-mails lead."""
    settings: Settings = current_app.config["HERALD"]
    return settings.public_url
