"""Facts for a batch: everything the decision, the content and the provider need, in two queries.

One asks about every message, the other about the few topics and campaigns they belong to. What is
made of a row here is made for every recipient of a campaign, so it is little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy.orm import Session

from app import db
from app.arrays import literal
from app.policy.facts import Class, Facts, Rules
from app.sending import bare, caps
from app.sending.batches import Claim
from app.sending.vocabulary import PUSH
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


class Group(NamedTuple):
    """What messages of one topic and one campaign have in common."""

    klass: Class
    opted_in_by_default: bool
    campaign_name: str | None
    campaign_cancelled: bool
    ignores_quiet_hours: bool


class Case(NamedTuple):
    """What a decision depends on beyond the address: equal cases are decided alike."""

    group: Group
    has_address: bool
    opted_in: bool | None
    erased: bool
    suppressed_for: str | None
    suppression_scope: Any
    device_gone: bool
    sent_in_window: int | None
    filling: datetime | None
    rivals: int | None
    zone: str | None
    expires_at: datetime | None


@dataclass(slots=True)
class Row:
    """One notification of a batch with all that is known about it now.

    Treat it as frozen; it is not, because that triples what it costs to make one.
    """

    id: int
    accepted_at: datetime
    channel: str
    status: str
    reason: str | None
    campaign_id: int | None
    contact_id: int | None
    device_id: int | None
    topic_id: int
    version_id: int
    address: str | None
    klass: Class
    attempts: int
    expires_at: datetime | None
    fallback: Sequence[str] | None
    variables: dict[str, Any]
    device: Mapping[str, Any] | None
    case: Case
    window: timedelta

    @property
    def policy(self) -> Facts:
        """What the decision is made from."""
        group, case = self.case.group, self.case
        return Facts(
            klass=group.klass,
            address=self.address,
            opted_in_by_default=group.opted_in_by_default,
            opted_in=case.opted_in,
            erased=case.erased,
            suppressed_for=case.suppressed_for,
            suppression_scope=case.suppression_scope,
            device_gone=case.device_gone,
            sent_in_window=case.sent_in_window or 0,
            room_at=case.filling + self.window if case.filling else None,
            rivals=case.rivals or 0,
            zone=case.zone,
            expires_at=case.expires_at,
            campaign_cancelled=group.campaign_cancelled,
            ignores_quiet_hours=group.ignores_quiet_hours,
        )


@dataclass(frozen=True, slots=True)
class Some:
    """Messages of one channel that are in no batch together: to be explained or shown."""

    ids: Sequence[int]
    channel: str
    accepted_from: datetime
    accepted_to: datetime
    id: int = 0


# Messages of a campaign share the moment of acceptance: it is told only where it differs.
_MESSAGES: Final = """
  select n.id, nullif(n.accepted_at, %(first)s), n.status, n.reason, n.campaign_id, n.contact_id,
         n.device_id, n.topic_id, n.version_id, n.address, n.attempts, n.expires_at, n.fallback,
         n.data,
         p.external_id, p.email, p.phone, p.first_name, p.last_name, p.locale, p.country,
         p.timezone, p.attributes::text, p.tags,
         coalesce(n.address, '') <> '', pr.opted_in, p.erased_at is not null, su.reason, su.scope,
         {gone}, cap.sent, cap.filling, rival.rivals{device}
    from notification n
    {campaign}
    left join contact p on p.id = n.contact_id
    left join preference pr on pr.contact_id = n.contact_id
         and pr.topic_id = n.topic_id and pr.channel = n.channel
    left join suppression su on su.kind = %(kind)s and su.address = lower(n.address)
    {join_device}
    {uses}
    {rivals}
   where n.id = any(cast(%(ids)s as bigint[])) and n.accepted_at between %(first)s and %(last)s
   order by n.id
"""
# A telephone that somebody else has now is gone, too.
_GONE: Final = """
  n.device_id is not null and (d.token is null or d.disabled_at is not null
                               or d.contact_id <> n.contact_id)"""
_GROUPS: Final = """
  select v.topic, v.campaign, t.klass, t.opted_in_by_default, c.name,
         coalesce(c.status = 'cancelled', false),
         v.campaign is not null and not coalesce(c.quiet_hours, false)
    from unnest(cast(%(topics)s as bigint[]), cast(%(campaigns)s as bigint[])) v(topic, campaign)
    join topic t on t.id = v.topic left join campaign c on c.id = v.campaign
"""
_PERSON: Final = slice(14, 24)
_PERSON_NAMES: Final = (*PERSON_FIELDS, "attributes", "tags")


def load(session: Session, claim: Claim | Some, rules: Rules, now: datetime) -> list[Row]:
    """The rows of a batch (or of some messages), in id order."""
    found = db.tuples(
        session,
        _statement(claim.channel, rules),
        {
            "ids": literal(claim.ids),
            "kind": SUPPRESSION_KIND[claim.channel],
            "first": claim.accepted_from,
            "last": claim.accepted_to,
            "batch": claim.id,
        }
        | (caps.since(rules.cap, now) if rules.cap is not None else {}),
    )
    found = _with_bare(session, claim.channel, found)
    groups = _groups(session, {(item[7], item[4]) for item in found})
    window = timedelta(days=rules.cap.days) if rules.cap else timedelta()
    return [
        _row(item, claim, groups[item[7], item[4]], window)
        for item in found
        if (item[7], item[4]) in groups
    ]


def _with_bare(
    session: Session, channel: str, found: Sequence[tuple[Any, ...]]
) -> Sequence[tuple[Any, ...]]:
    """Where an address was given instead of a person, what its owner has asked for counts, too."""
    wanted = [(item[9], item[7]) for item in found if item[5] is None and item[9]]
    if not wanted:
        return found
    known = bare.know(session, channel, wanted)
    return [_of_owner(item, known) if item[5] is None and item[9] else item for item in found]


def _of_owner(item: tuple[Any, ...], known: bare.Known) -> tuple[Any, ...]:
    against = ("erased", "all") if known.is_erased(item[9]) else item[27:29]
    return (*item[:25], known.choice(item[9], item[7]), item[26], *against, *item[29:])


def _statement(channel: str, rules: Rules) -> str:
    """Only the tables that matter are joined: planning is a fifth of what this query costs."""
    counted = rules.cap is not None
    rivalled = rules.cap is not None and rules.cap.when_full == "priority"
    push = channel in PUSH
    return _MESSAGES.format(
        gone=_GONE if push else "false",
        device=", d.environment, d.app, d.registered_at" if push else "",
        join_device="left join device d on d.id = n.device_id" if push else "",
        campaign="left join campaign c on c.id = n.campaign_id" if rivalled else "",
        uses=db.driver_style(caps.USES if counted else caps.NO_USES),
        rivals=db.driver_style(caps.RIVALS if rivalled else caps.NO_RIVALS),
    )


def _groups(
    session: Session, keys: set[tuple[int, int | None]]
) -> dict[tuple[int, int | None], Group]:
    """(topic, campaign) -> what holds for their messages."""
    if not keys:
        return {}
    topics, campaigns = zip(*keys, strict=True)
    rows = db.tuples(session, _GROUPS, {"topics": literal(topics), "campaigns": literal(campaigns)})
    return {(row[0], row[1]): Group(*row[2:]) for row in rows}


def _row(item: Sequence[Any], claim: Claim | Some, group: Group, window: timedelta) -> Row:
    (key, moment, status, reason, campaign, contact, device, topic, version, address, attempts,
     expires_at, fallback, data) = item[:14]  # fmt: skip
    person = dict(zip(_PERSON_NAMES, item[_PERSON], strict=True))
    if contact is None:
        _be_nobody(person, claim.channel, address)
    else:  # psycopg reads JSON in Python, at four times the cost
        person["attributes"] = orjson.loads(person["attributes"] or b"{}")
    return Row(
        key,
        moment or claim.accepted_from,
        claim.channel,
        status,
        reason,
        campaign,
        contact,
        device,
        topic,
        version,
        address,
        group.klass,
        attempts,
        expires_at,
        fallback,
        variables(person, group.campaign_name, data),
        None if device is None or len(item) < _WITH_DEVICE else _device(item),
        Case._make((group, *item[24:33], item[21], expires_at)),
        window,
    )


_WITH_DEVICE: Final = 36


def _device(item: Sequence[Any]) -> Mapping[str, Any]:
    return {"environment": item[33], "app": item[34], "registered_at": item[35]}


def _be_nobody(person: dict[str, Any], channel: str, address: str | None) -> None:
    """Of somebody who is no contact only the address is known."""
    person[_FIELD_OF_ADDRESS.get(channel, "external_id")] = address
    person["attributes"], person["tags"] = {}, []


def variables(
    person: dict[str, Any], campaign: str | None, data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a template may name: fields of the person, then the call's data over them.

    `person` has the PERSON_FIELDS, `attributes` and `tags`.
    """
    return {**person, "person": person, "campaign": {"name": campaign}, **(data or {})}


_FIELD_OF_ADDRESS: Final = {"email": "email", "sms": "phone"}
