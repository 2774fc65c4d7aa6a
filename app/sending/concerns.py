"""What operators must hear of because of single answers, one incident per cause.

Adapters name a concern (`channels.base.Concern`); this module says what it means to people.
Incidents whose cause begins with a provider's name close by themselves when the provider is well
again (`sending.watch`); the others wait for somebody to close them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.audience import addresses
from app.channels.base import Concern
from app.sending import domains
from app.sending.dead_addresses import Answered

WINDOW: Final = timedelta(minutes=10)
LARGEST_SHARE: Final = 0.01  # of device tokens of another project
_RECENT_ATTEMPTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Words:
    """An incident in words; each may name `{provider}`, `{code}`, `{country}` and `{said}`."""

    cause: str
    title: str
    detail: str
    severity: str = "warning"


_WORDS: Final[Mapping[Concern, Words]] = {
    Concern.UNMAPPED: Words(
        "{provider}:unmapped:{code}",
        "{provider} gave an answer that Herald does not know: {code}",
        "{said} The messages count as refused. Look the code up in the provider's documentation.",
    ),
    Concern.ADAPTER: Words(
        "adapter:{provider}:{code}",
        "{provider} calls our requests malformed: {code}",
        "{said} This is a mistake in Herald or in what it was given; the messages failed.",
        "critical",
    ),
    Concern.REGION: Words(
        "region:{provider}:{country}",
        "{provider} may not send texts to {country}",
        "Enable the country in the account's geographic permissions, or send no texts there.",
    ),
    Concern.LOOP: Words(
        "loop:{provider}",
        "{provider} stopped very many texts to one number within 30 seconds: a loop?",
        "Look for a program that sends the same message again and again.",
        "critical",
    ),
    Concern.ABSURD_WAIT: Words(
        "{provider}:absurd_wait",
        "{provider} asked for a pause that makes no sense",
        "A negative time, or more than a day. Herald waits for a day.",
        "critical",
    ),
    Concern.KEY_UPDATES: Words(
        "{provider}:key_updates",
        "{provider} says that the provider token is renewed too often",
        "Herald keeps its token for 20 minutes now. Does another program use the same key?",
        "critical",
    ),
    Concern.LOGIN_LASTS: Words(
        "{provider}:login_lasts",
        "{provider} has let nobody log in for a quarter of an hour",
        "The mail server answers 454 to the log-in. Messages are kept and tried again.",
        "critical",
    ),
}


def tell(session: Session, answered: Sequence[Answered], now: datetime) -> None:
    """Open or count the incidents of these answers."""
    concerned = [one for one in answered if one.answer.result.concern is not None]
    if not concerned:
        return
    told = Counter(_worded(concerned))
    for words, title, detail, cause in sorted(told, key=lambda one: one[3]):  # as everybody does
        number = told[words, title, detail, cause]
        facts = {"messages": number}
        incidents.open_or_count(
            session, cause, title, detail, facts, now, severity=words.severity, count=number
        )
    refusing: dict[str, Counter[str]] = {}
    for row, answer in concerned:
        if answer.result.concern is Concern.POLICY:
            refusing.setdefault(answer.provider, Counter())[domains.of(row.address)] += 1
    for provider, counted in sorted(refusing.items()):
        domains.refused(session, provider, counted, now)
    if any(one.answer.result.concern is Concern.MISMATCH for one in concerned):
        _mismatch(session, now)


def _worded(concerned: Iterable[Answered]) -> Iterable[tuple[Words, str, str, str]]:
    for row, answer in concerned:
        result = answer.result
        words = _WORDS.get(result.concern) if result.concern else None
        if words is None:
            continue
        names = {
            "provider": answer.provider,
            "code": result.code or "none",
            "said": result.detail,
            "country": addresses.country_of(row.address or ""),
        }
        yield (
            words,
            words.title.format(**names),
            words.detail.format(**names),
            words.cause.format(**names),
        )


def _mismatch(session: Session, now: datetime) -> None:
    """More than 1 % of the tokens belong to another Firebase project: is it ours that is wrong?"""
    row = session.execute(
        text(
            """
            select count(*), count(*) filter (where code = 'SENDER_ID_MISMATCH') from attempt
             where id > (select coalesce(max(id), 0) - :recent from attempt)
               and at > :since and provider = 'fcm'
            """
        ),
        {"recent": _RECENT_ATTEMPTS, "since": now - WINDOW},
    ).one()
    if row[1] <= LARGEST_SHARE * row[0]:
        return
    incidents.open_or_count(
        session,
        "fcm:mismatch",
        "fcm says that device tokens belong to another Firebase project",
        f"{row[1]} of the last {row[0]} answers. Does the service account belong to the project "
        "the app was built with?",
        {"answers": row[0], "mismatches": row[1]},
        now,
        severity="critical",
    )
