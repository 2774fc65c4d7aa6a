"""Facts for a batch: everything the decision, the content and the provider need, in one query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.policy.facts import Class, Facts, Rules
from app.sending import caps
from app.sending.batches import Claim
from app.sending.withdrawals import SUPPRESSION_KIND

PERSON_FIELDS: Final = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One notification of a batch with all that is known about it now."""

    id: int
    accepted_at: datetime
    channel: str
    status: str
    reason: str | None
    campaign_id: int | None
    campaign_name: str | None
    contact_id: int | None
    device_id: int | None
    topic_id: int
    version_id: int
    address: str | None
    klass: Class
    attempts: int
    expires_at: datetime | None
    fallback: Sequence[str] | None
    variables: Mapping[str, Any]
    policy: Facts
    device: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Some:
    """Messages of one channel that are in no batch together: to be explained or shown."""

    ids: Sequence[int]
    channel: str
    accepted_from: datetime
    accepted_to: datetime
    id: int = 0


def load(session: Session, claim: Claim | Some, rules: Rules, now: datetime) -> list[Row]:
    """The rows of a batch (or of some messages), in id order."""
    counted = rules.cap is not None
    rivalled = rules.cap is not None and rules.cap.when_full == "priority"
    found = session.execute(
        text(
            f"""
            select n.id, n.accepted_at, n.channel, n.status, n.reason, n.campaign_id,
                   c.name as campaign_name, c.status as campaign_status, c.quiet_hours,
                   n.contact_id, n.device_id, n.topic_id, n.version_id, n.address, t.klass,
                   n.attempts, n.expires_at, n.fallback, n.data, t.opted_in_by_default,
                   p.external_id, p.email, p.phone, p.first_name, p.last_name, p.locale,
                   p.country, p.timezone, p.attributes, p.tags, p.erased_at,
                   pr.opted_in, su.reason as suppressed_for, su.scope as suppression_scope,
                   d.token, d.environment, d.app, d.registered_at, d.disabled_at,
                   cap.sent as sent_in_window, cap.filling, rival.rivals
              from notification n
              join topic t on t.id = n.topic_id
              left join campaign c on c.id = n.campaign_id
              left join contact p on p.id = n.contact_id
              left join preference pr on pr.contact_id = n.contact_id
                   and pr.topic_id = n.topic_id and pr.channel = n.channel
              left join suppression su on su.kind = :kind and su.address = lower(n.address)
              left join device d on d.id = n.device_id
              {caps.USES if counted else caps.NO_USES}
              {caps.RIVALS if rivalled else caps.NO_RIVALS}
             where n.id = any(cast(:ids as bigint[])) and n.accepted_at between :first and :last
             order by n.id
            """
        ),
        {
            "ids": literal(claim.ids),
            "kind": SUPPRESSION_KIND[claim.channel],
            "first": claim.accepted_from,
            "last": claim.accepted_to,
            "batch": claim.id,
        }
        | (caps.since(rules.cap, now) if counted else {}),
    )
    names = tuple(found.keys())
    window = timedelta(days=rules.cap.days) if rules.cap else timedelta()
    return [_row(dict(zip(names, item, strict=True)), window) for item in found.all()]


def _row(item: Mapping[str, Any], window: timedelta) -> Row:
    return Row(
        id=item["id"],
        accepted_at=item["accepted_at"],
        channel=item["channel"],
        status=item["status"],
        reason=item["reason"],
        campaign_id=item["campaign_id"],
        campaign_name=item["campaign_name"],
        contact_id=item["contact_id"],
        device_id=item["device_id"],
        topic_id=item["topic_id"],
        version_id=item["version_id"],
        address=item["address"],
        klass=item["klass"],
        attempts=item["attempts"],
        expires_at=item["expires_at"],
        fallback=item["fallback"],
        variables=variables(item),
        policy=_policy(item, window),
        device=item if item["device_id"] is not None else None,
    )


def variables(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a template may name: fields of the person, then the call's data over them."""
    person = {field: item[field] for field in PERSON_FIELDS}
    if item["contact_id"] is None:
        person[_FIELD_OF_ADDRESS.get(item["channel"], "external_id")] = item["address"]
    person["attributes"] = item["attributes"] or {}
    person["tags"] = item["tags"] or []
    campaign = {"name": item["campaign_name"]}
    return {**person, "person": person, "campaign": campaign, **(item["data"] or {})}


_FIELD_OF_ADDRESS: Final = {"email": "email", "sms": "phone"}


def _policy(item: Mapping[str, Any], window: timedelta) -> Facts:
    push = item["channel"] in ("ios", "android")
    return Facts(
        klass=item["klass"],
        address=item["address"],
        opted_in_by_default=item["opted_in_by_default"],
        opted_in=item["opted_in"],
        erased=item["erased_at"] is not None,
        suppressed_for=item["suppressed_for"],
        suppression_scope=item["suppression_scope"],
        device_gone=push
        and item["device_id"] is not None
        and (item["token"] is None or item["disabled_at"] is not None),
        sent_in_window=item["sent_in_window"] or 0,
        room_at=item["filling"] + window if item["filling"] else None,
        rivals=item["rivals"] or 0,
        zone=item["timezone"],
        expires_at=item["expires_at"],
        campaign_cancelled=item["campaign_status"] == "cancelled",
        ignores_quiet_hours=item["campaign_id"] is not None and not item["quiet_hours"],
    )
