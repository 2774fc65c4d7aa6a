"""Devices: push tokens of people, registered by the product, retired when a provider says so."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audience import lookup
from app.audience.models import Contact, Device
from app.errors import FieldError, Invalid, NotFound

PLATFORMS: Final = ("ios", "android")
ENVIRONMENTS: Final = ("production", "sandbox")
DEVICES_MAX: Final = 50
KEPT_AFTER_DISABLED: Final = timedelta(days=90)

# APNs: hexadecimal, today 64 characters, "of variable length"; FCM: opaque, below 4 kB.
_IOS_TOKEN: Final = re.compile(r"[0-9a-fA-F]{64,400}")
_ANDROID_TOKEN: Final = re.compile(r"[A-Za-z0-9_:.\-]{20,4096}")
_APP: Final = re.compile(r"[A-Za-z0-9._\-]{0,255}")


@dataclass(frozen=True, slots=True)
class Dead:
    """A device whose token a provider called dead; `registered_before`: see `disable`."""

    device_id: int
    reason: str
    registered_before: datetime | None = None


def problems(platform: object, token: object, app: object, environment: object) -> list[FieldError]:
    """What is wrong with a device that was sent to us; empty when nothing is."""
    errors = []
    if platform not in PLATFORMS:
        errors.append(FieldError("/platform", "invalid_platform", "Say ios or android."))
    elif problem := token_problem(str(platform), token):
        errors.append(FieldError("/token", "invalid_token", problem))
    if not isinstance(app, str) or not _APP.fullmatch(app):
        words = "The app is a bundle id or package name, such as com.example.shop."
        errors.append(FieldError("/app", "invalid_app", words))
    if environment not in ENVIRONMENTS:
        words = "The environment is production or sandbox."
        errors.append(FieldError("/environment", "invalid_environment", words))
    return errors


def token_problem(platform: str, token: object) -> str | None:
    """Why this cannot be a push token of the platform, or None when it can."""
    if platform == "ios":
        if isinstance(token, str) and _IOS_TOKEN.fullmatch(token) and len(token) % 2 == 0:
            return None
        return "An iOS token has 64 or more hexadecimal digits."
    if isinstance(token, str) and _ANDROID_TOKEN.fullmatch(token):
        return None
    return "An Android token has 20 to 4,096 letters, digits, hyphens, underscores, colons, dots."


def spelling(platform: str, token: str) -> str:
    """A token as it is kept: Apple's are hexadecimal, which has two spellings."""
    return token.lower() if platform == "ios" else token


def register(
    session: Session,
    contact_id: int,
    platform: str,
    token: str,
    app: str,
    environment: str,
    now: datetime,
) -> tuple[Device, bool]:
    """Register a token for a person; returns the device and whether it is new to that person.

    A token belongs to one person: whoever had it before loses it (a phone that was handed on). A
    token that had been retired lives again. Raises Invalid.
    """
    errors = problems(platform, token, app, environment)
    if errors:
        raise Invalid(errors)
    token = spelling(platform, token)
    before = session.execute(
        select(Device.contact_id, Device.disabled_at).where(Device.token == token).with_for_update()
    ).first()
    fresh = before is None or before.contact_id != contact_id
    if fresh:
        _make_room(session, contact_id)
    device = _store(session, contact_id, platform, token, app, environment, now)
    lookup.forget(session, [contact_id, *([before.contact_id] if before and fresh else [])])
    return device, fresh


def remove(session: Session, contact_id: int, token: str) -> None:
    """Forget a token of a person. Raises NotFound."""
    gone = session.execute(
        delete(Device)
        .where(Device.contact_id == contact_id, Device.token.in_([token, token.lower()]))
        .returning(Device.id)
    ).first()
    if gone is None:
        raise NotFound("This person has no such device.")
    lookup.forget(session, [contact_id])


def disable(
    session: Session,
    device_id: int,
    reason: str,
    now: datetime,
    registered_before: datetime | None = None,
) -> bool:
    """Retire a device whose token a provider called dead; returns whether it was alive.

    APNs says since when a token is dead: one that was registered after `registered_before` is a new
    life of the same token and stays.
    """
    retired = (
        update(Device)
        .where(Device.id == device_id, Device.disabled_at.is_(None))
        .values(disabled_at=now, disabled_reason=reason)
        .returning(Device.contact_id)
    )
    if registered_before is not None:
        retired = retired.where(Device.registered_at <= registered_before)
    person = session.scalar(retired)
    if person is None:
        return False
    lookup.forget(session, [person])
    return True


def disable_all(session: Session, dead: Sequence[Dead], now: datetime) -> int:
    """Retire devices in one statement, see `disable`; returns how many were alive."""
    rows = session.scalars(
        text(
            """
            with old as (
              select d.id, v.reason from device d
                join unnest(cast(:ids as bigint[]), cast(:reasons as text[]),
                            cast(:befores as timestamptz[])) v(id, reason, before) on v.id = d.id
               where d.disabled_at is null and (v.before is null or d.registered_at <= v.before)
               order by d.id for update of d
            )
            update device d set disabled_at = :now, disabled_reason = old.reason
              from old where d.id = old.id returning d.contact_id
            """
        ),
        {
            "ids": [one.device_id for one in dead],
            "reasons": [one.reason for one in dead],
            "befores": [one.registered_before for one in dead],
            "now": now,
        },
    ).all()
    lookup.forget(session, rows)
    return len(rows)


def move_to(session: Session, device_ids: Sequence[int], environment: str) -> int:
    """Correct where tokens live (APNs: production or sandbox); returns how many were wrong."""
    moved = session.scalars(
        update(Device)
        .where(Device.id.in_(device_ids), Device.environment != environment)
        .values(environment=environment)
        .returning(Device.contact_id)
    ).all()
    lookup.forget(session, moved)
    return len(moved)


def alive(session: Session, platform: str, app: str) -> int:
    """How many devices of an app can be reached."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Device)
            .where(Device.platform == platform, Device.app == app, Device.disabled_at.is_(None))
        )
        or 0
    )


def of_contact(session: Session, contact_id: int) -> Sequence[Device]:
    """All devices of a person, living ones first, then by when they were last seen."""
    return session.scalars(
        select(Device)
        .where(Device.contact_id == contact_id)
        .order_by(Device.disabled_at.is_not(None), Device.last_seen_at.desc())
    ).all()


def owner(session: Session, token: str) -> int | None:
    """The contact that a token belongs to."""
    return session.scalar(select(Device.contact_id).where(Device.token == token))


def prune(session: Session, now: datetime, limit: int = 5000) -> int:
    """Delete devices that were retired long ago; returns how many (`limit`: call again)."""
    old = (
        select(Device.id)
        .where(Device.disabled_at < now - KEPT_AFTER_DISABLED)
        .order_by(Device.id)
        .limit(limit)
    )
    gone = delete(Device).where(Device.id.in_(old)).returning(Device.id)
    return len(session.scalars(gone).all())


def _store(
    session: Session,
    contact_id: int,
    platform: str,
    token: str,
    app: str,
    environment: str,
    now: datetime,
) -> Device:
    new = insert(Device).values(
        contact_id=contact_id,
        platform=platform,
        token=token,
        app=app,
        environment=environment,
        registered_at=now,
        last_seen_at=now,
    )
    stored = new.on_conflict_do_update(
        index_elements=["token"],
        set_={
            "contact_id": new.excluded.contact_id,
            "platform": new.excluded.platform,
            "app": new.excluded.app,
            "environment": new.excluded.environment,
            "registered_at": new.excluded.registered_at,
            "last_seen_at": new.excluded.last_seen_at,
            "disabled_at": None,
            "disabled_reason": None,
        },
    ).returning(Device)
    return session.scalars(stored, execution_options={"populate_existing": True}).one()


def _make_room(session: Session, contact_id: int) -> None:
    """Drop the devices seen longest ago beyond the limit: a token leak must not grow for ever."""
    session.scalar(select(Contact.id).where(Contact.id == contact_id).with_for_update())
    surplus = (
        select(Device.id)
        .where(Device.contact_id == contact_id)
        .order_by(Device.disabled_at.is_not(None), Device.last_seen_at.desc(), Device.id.desc())
        .offset(DEVICES_MAX - 1)
    )
    session.execute(delete(Device).where(Device.id.in_(surplus)))
