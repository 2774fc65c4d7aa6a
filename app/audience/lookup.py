"""People as the hot path needs them: with devices and preferences, from the cache if possible."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import cache
from app.audience.models import Contact

CACHE: Final = "person"
_MOMENT: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


@dataclass(frozen=True, slots=True)
class PersonDevice:
    """One living device."""

    id: int
    platform: str
    token: str
    app: str
    environment: str


@dataclass(frozen=True, slots=True)
class Person:
    """One contact with living devices and explicit choices (`<topic id>:<channel>` -> opted in)."""

    id: int
    external_id: str
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    locale: str | None
    country: str | None
    timezone: str | None
    tags: Sequence[str]
    attributes: Mapping[str, Any]
    created_at: str  # moments as RFC 3339, UTC
    updated_at: str
    last_seen_at: str | None
    devices: Sequence[PersonDevice]
    preferences: Mapping[str, bool]


def people(session: Session, external_ids: Iterable[str]) -> dict[str, Person]:
    """The people with these external ids; who is unknown is not in the answer."""
    wanted = list(dict.fromkeys(external_ids))
    found = cache.shared().get_many(CACHE, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        loaded = _load(session, missing)
        cache.shared().set_many(CACHE, loaded)
        found.update(loaded)
    return {key: _person(found[key]) for key in wanted if key in found}


def forget(session: Session, contact_ids: Sequence[int]) -> None:
    """To be called by every writer of contacts, devices or preferences, in its transaction."""
    if contact_ids:
        keys = session.scalars(
            select(Contact.external_id).where(
                Contact.id.in_(contact_ids), Contact.external_id.is_not(None)
            )
        )
        forget_external(session, keys.all())


def forget_external(session: Session, external_ids: Iterable[str | None]) -> None:
    """The same, for a writer that knows the external ids."""
    cache.invalidate_after_commit(session, CACHE, external_ids)


_LOAD: Final = text(
    """
    SELECT c.external_id, jsonb_build_object(
        'id', c.id, 'external_id', c.external_id, 'email', c.email, 'phone', c.phone,
        'first_name', c.first_name, 'last_name', c.last_name, 'locale', c.locale,
        'country', c.country, 'timezone', c.timezone, 'tags', to_jsonb(c.tags),
        'attributes', c.attributes,
        'created_at', to_char(c.created_at AT TIME ZONE 'UTC', :moment),
        'updated_at', to_char(c.updated_at AT TIME ZONE 'UTC', :moment),
        'last_seen_at', to_char(c.last_seen_at AT TIME ZONE 'UTC', :moment),
        'devices', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'id', d.id, 'platform', d.platform, 'token', d.token, 'app', d.app,
                'environment', d.environment) ORDER BY d.id)
            FROM device d WHERE d.contact_id = c.id AND d.disabled_at IS NULL), '[]'),
        'preferences', coalesce((
            SELECT jsonb_object_agg(p.topic_id || ':' || p.channel, p.opted_in)
            FROM preference p WHERE p.contact_id = c.id), '{}')
    ) AS person
    FROM contact c
    WHERE c.external_id = ANY(:external_ids) AND c.erased_at IS NULL
    """
)


def _load(session: Session, external_ids: Sequence[str]) -> dict[str, Any]:
    parameters = {"external_ids": list(external_ids), "moment": _MOMENT}
    rows = session.execute(_LOAD, parameters)
    return {row.external_id: row.person for row in rows}


def _person(raw: Mapping[str, Any]) -> Person:
    devices = tuple(PersonDevice(**device) for device in raw["devices"])
    return Person(**{**raw, "devices": devices})
