"""What must be right before a campaign may be launched, and what somebody should look at.

Errors (`bad`) block the launch; warnings do not. Each belongs to a step of the composer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audience.models import Segment, Topic
from app.campaigns import schedule
from app.campaigns.models import Campaign
from app.content import lint
from app.content.models import TemplateVersion
from app.content.problems import Problem
from app.errors import FieldError, Invalid

State = Literal["ok", "warn", "bad"]
STEPS: Final = ("audience", "content", "schedule")
_LABELS: Final = {"email": "email", "sms": "SMS", "ios": "iOS push", "android": "Android push"}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `pointer` names the field (`/content/email`), `code` is documented."""

    step: str
    state: State
    pointer: str
    code: str
    title: str
    text: str = ""


def blocking(session: Session, campaign: Campaign) -> list[FieldError]:
    """Everything that is missing or wrong, by step of the composer; empty when it may go."""
    found = [*_audience(session, campaign), *_content(session, campaign)]
    return [
        FieldError(check.pointer, check.code, " ".join(filter(None, (check.title, check.text))))
        for check in found
        if check.state == "bad"
    ]


def review(session: Session, campaign: Campaign, receive: int, now: datetime) -> list[Check]:
    """All findings for the last look: errors, warnings, then what was found to be good.

    `receive`: how many people would get it.
    """
    found = [
        *_audience(session, campaign),
        *_reach(campaign, receive),
        *_content(session, campaign),
        *_schedule(campaign, now),
        *_speed(campaign, receive),
    ]
    found += _good(campaign, found)
    return sorted(found, key=lambda check: ("bad", "warn", "ok").index(check.state))


def unfinished(session: Session, campaign: Campaign) -> str | None:
    """The first step with an error in it: `audience` or `content`; None when all is there."""
    if any(check.state == "bad" for check in _audience(session, campaign)):
        return "audience"
    if any(check.state == "bad" for check in _content(session, campaign)):
        return "content"
    return None


def _audience(session: Session, campaign: Campaign) -> Iterator[Check]:
    if not campaign.include_segments:
        message = "Choose at least one segment of people who get this."
        yield Check("audience", "bad", "/include_segments", "no_audience", message)
    if campaign.topic_id is None or session.get(Topic, campaign.topic_id) is None:
        message = "Choose the topic that people opted in to."
        yield Check("audience", "bad", "/topic", "no_topic", message)
    if not campaign.channels:
        yield Check("audience", "bad", "/channels", "no_channel", "Choose at least one channel.")
    yield from _segments(session, campaign)


def _segments(session: Session, campaign: Campaign) -> Iterator[Check]:
    used = {*campaign.include_segments, *campaign.exclude_segments}
    there = session.scalar(select(func.count()).where(Segment.id.in_(used))) if used else 0
    if there != len(used):
        message = "A segment of this campaign does not exist any more. Choose another one."
        yield Check("audience", "bad", "/include_segments", "unknown_segment", message)
    if set(campaign.include_segments) & set(campaign.exclude_segments):
        title = "A segment is both included and left out."
        text = "Nobody of it gets this."
        yield Check("audience", "warn", "/exclude_segments", "contradiction", title, text)


def _reach(campaign: Campaign, receive: int) -> Iterator[Check]:
    if campaign.include_segments and campaign.channels and not receive:
        title = "Nobody would receive this."
        text = "Choose other segments, another topic or another channel."
        yield Check("audience", "warn", "/include_segments", "nobody", title, text)


def _content(session: Session, campaign: Campaign) -> Iterator[Check]:
    version = session.get(TemplateVersion, campaign.version_id) if campaign.version_id else None
    content: dict[str, Any] = version.content if version else {}
    written = {channel: content[channel] for channel in campaign.channels if content.get(channel)}
    for channel in campaign.channels:
        if channel not in written:
            message = f"There is no content for {_LABELS.get(channel, channel)} yet."
            yield Check("content", "bad", f"/content/{channel}", "no_content", message)
    if not written:
        return
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    klass = topic.klass if topic else "marketing"
    for problem in lint.check(written, klass, {}):
        yield _of_problem(problem)


def _of_problem(problem: Problem) -> Check:
    """A finding of the content's lint; a campaign gives no data, so unknown variables are wrong."""
    where = _LABELS.get(problem.channel, problem.channel)
    where = where[:1].upper() + where[1:]
    line = f", line {problem.line}" if problem.line and problem.field == "html" else ""
    state: State = "bad" if problem.severity == "error" else "warn"
    pointer = f"/content/{problem.channel}"
    field = "" if problem.field in ("", "body") else f", {problem.field}"
    return Check("content", state, pointer, problem.rule, problem.message, f"{where}{field}{line}.")


def _schedule(campaign: Campaign, now: datetime) -> Iterator[Check]:
    if not campaign.wall_time or campaign.status != "draft":
        return
    try:
        schedule.moment(campaign.wall_time, campaign.zone or "UTC", now)
    except Invalid as refused:
        yield Check("schedule", "bad", "/wall_time", refused.fields[0].code, refused.message)


def _speed(campaign: Campaign, receive: int) -> Iterator[Check]:
    """At its own pace it would still be under way when it gives up."""
    if (
        campaign.rate
        and campaign.expires_hours
        and receive > campaign.rate * 3600 * campaign.expires_hours
    ):
        title = "Too slow to reach everybody before it gives up."
        text = "Let it go faster, or give up later."
        yield Check("schedule", "warn", "/rate", "too_slow", title, text)


def _good(campaign: Campaign, found: list[Check]) -> Iterator[Check]:
    """What was looked at and is fine, so that silence does not have to be trusted."""
    bad = {check.pointer for check in found if check.state != "ok"}
    codes = {check.code for check in found}
    if not {"/include_segments", "/topic", "/channels", "/exclude_segments"} & bad:
        yield Check("audience", "ok", "", "audience", "Audience, topic and channels are chosen.")
    written = [c for c in campaign.channels if f"/content/{c}" not in bad]
    if written:
        names = ", ".join(_LABELS[channel] for channel in written)
        title = f"Content for {names} has no mistakes."
        yield Check("content", "ok", "", "content", title[:1].upper() + title[1:])
    variables = {"unknown_variable", "no_fallback", "syntax", "no_content"}
    if campaign.channels and not variables & codes:
        title = "Every variable has a value or a fallback for everyone."
        yield Check("content", "ok", "", "variables", title)
    if "/wall_time" not in bad:
        title = (
            "The time is valid." if campaign.wall_time else "Goes out as soon as it is launched."
        )
        yield Check("schedule", "ok", "", "schedule", title)
