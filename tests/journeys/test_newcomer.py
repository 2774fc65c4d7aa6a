"""What a newcomer does on the first day, on everything that `make run` starts."""

import contextlib
import html
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app import ids, jobs
from app.analytics import reports
from app.audience import contact_search, segments, topics
from app.audience.models import Topic
from app.bench.crowd import content
from app.campaigns import lifecycle, waterfall
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion
from app.db import transaction
from app.sending import ledger, queries
from app.sending.models import Notification
from app.sending.status import FAILED, HANDED_OVER, NOT_SENT, OPEN
from app.tracking import heard
from tests.support import crowd
from tests.support.herald import Herald, running_herald
from tests.support.processes import eventually, kill

PEOPLE, WRONG = 6_000, 37
OPENERS, CLICKERS = 60, 20
IMAGE = re.compile(r'src="([^"]+/o/[^"]+)"')
LINK = re.compile(r'href="([^"]+/c/[^"]+)"')
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def herald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Herald]:
    """One running Herald for the whole day."""
    var_dir = tmp_path_factory.mktemp("journey") / "var"
    with running_herald(var_dir) as running, running.attached():
        yield running


def campaign(name: str, segment_id: int, channels: list[str]) -> int:
    """A draft with real content; answers its key."""
    with transaction() as session:
        version = TemplateVersion(
            state="draft", content={channel: content()[channel] for channel in channels}
        )
        session.add(version)
        session.flush()
        topic = session.scalars(select(Topic).where(Topic.key == "newsletter")).one()
        draft = Campaign(
            name=name,
            topic_id=topic.id,
            channels=channels,
            include_segments=[segment_id],
            version_id=version.id,
        )
        session.add(draft)
        session.flush()
        return draft.id


def launch(key: int) -> None:
    """Press the button."""
    with transaction() as session:
        lifecycle.approve(session, key, None, datetime.now(UTC))


def finished(key: int) -> bool:
    """Whether the campaign says that it is sent."""
    with transaction() as session:
        return session.get_one(Campaign, key).status == "sent"


def sums(key: int) -> dict[str, int]:
    """The books of a campaign."""
    with transaction() as session:
        counted = ledger.totals_of_many(session, [key])[key]
    groups = {"accepted": HANDED_OVER, "failed": FAILED, "not sent": NOT_SENT, "open": OPEN}
    return {
        name: sum(counted.get(status, 0) for status in statuses)
        for name, statuses in groups.items()
    }


def kinds_heard(message: int) -> set[str]:
    """What came back about a message."""
    with transaction() as session:
        return {event.kind for event in heard.of_message(session, message)}


def messages(key: int) -> list[Notification]:
    """All messages of a campaign."""
    with transaction() as session:
        return list(session.scalars(select(Notification).where(Notification.campaign_id == key)))


@pytest.fixture(scope="module")
def everyone(herald: Herald, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Thousands of people from a file, and the segment of all of them."""
    path = tmp_path_factory.mktemp("csv") / "people.csv"
    crowd.write(path, PEOPLE, WRONG)
    printed = herald.cli("import", str(path), "--json")
    result = json.loads(printed.strip().splitlines()[-1])
    assert result == {"rows": PEOPLE, "imported": PEOPLE - WRONG, "refused": WRONG}
    with transaction() as session:
        wanted = {"key": "newsletter", "name": "Newsletter", "klass": "marketing"}
        topics.create(session, wanted, datetime.now(UTC))
        fields: dict[str, Any] = {"name": "Everyone", "rule": {"all": []}}
        return segments.create(session, fields, None, datetime.now(UTC)).id


def test_a_newsletter_reaches_everyone_once_though_a_worker_is_killed(
    herald: Herald, everyone: int
) -> None:
    key = campaign("November newsletter", everyone, ["email", "sms"])
    with transaction() as session:
        planned = waterfall.count(session, session.get_one(Campaign, key), datetime.now(UTC))
    assert planned.matched == PEOPLE - WRONG
    launch(key)
    assert eventually(lambda: len(herald.journal()) > 2_000, 60)
    for pid in herald.pids("workers.main --lane bulk"):
        kill(pid)
    assert eventually(lambda: finished(key), 240)

    books, rows = sums(key), messages(key)
    assert books["open"] == 0
    assert sum(books.values()) == len(rows)
    journal = herald.handed_over()
    ours = {row.id for row in rows}
    assert len(ours) == len(rows)
    reached = {(row.channel, row.address) for row in rows if row.status in HANDED_OVER}
    assert len(reached) == books["accepted"] == len(journal)
    doubled = sum(journal.values()) - len(journal)
    assert doubled <= 6 * 500, "more than the calls that six threads had in the air"


def test_redis_is_flushed_in_the_middle_and_the_campaign_finishes(
    herald: Herald, everyone: int
) -> None:
    key = campaign("Flushed", everyone, ["email"])
    before = len(herald.handed_over())
    launch(key)
    assert eventually(lambda: len(herald.handed_over()) > before + 500, 60)
    jobs.broker().client.flushall()
    assert eventually(lambda: finished(key), 120)
    assert sums(key)["accepted"] == PEOPLE - WRONG


def test_readers_open_and_click_and_the_report_and_support_show_them(
    herald: Herald, everyone: int
) -> None:
    key = campaign("Read by people", everyone, ["email"])
    launch(key)
    assert eventually(lambda: finished(key), 120)
    ours = {ids.encode("ntf", row.id): row for row in messages(key)}
    letters = [line for line in herald.journal() if line["notification"] in ours][:OPENERS]
    time.sleep(2.5)  # what loads a picture within two seconds is a machine
    for number, line in enumerate(letters):
        page = herald.letter(line)
        visit(IMAGE.findall(page)[-1])
        if number < CLICKERS:
            visit(LINK.findall(page)[0])

    assert eventually(lambda: reaction(key).opened == OPENERS, 30)
    assert (reaction(key).clicked, reaction(key).machine_opens) == (CLICKERS, 0)
    with transaction() as session:
        assert sum(link.people for link in reports.links(session, key)) == CLICKERS

    row = ours[letters[0]["notification"]]
    with transaction() as session:
        (person,) = contact_search.exact_matches(session, letters[0]["to"])
        assert person.id == row.contact_id
        history = queries.history_of_contact(session, person.id).items
        assert row.id in {message.id for message in history}
        assert [attempt.outcome for attempt in queries.attempts_of(session, row.id)] == ["accepted"]
        given = queries.copy_of(session, row.id)
        assert given is not None
        assert given["first_name"] == person.first_name
    assert eventually(lambda: kinds_heard(row.id) == {"delivered", "opened", "clicked"}, 60)


def visit(address: str) -> None:
    """Load it as a browser does, without following a redirect to the wide world."""
    request = urllib.request.Request(html.unescape(address), headers={"User-Agent": BROWSER})
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.build_opener(Stay).open(request, timeout=10)


class Stay(urllib.request.HTTPRedirectHandler):
    """Do not go where a redirect points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def reaction(key: int) -> reports.Reaction:
    """What readers of a campaign did, as its report says."""
    with transaction() as session:
        return reports.report(session, key).all


def test_a_thousand_calls_with_two_hundred_repeated_keys_make_eight_hundred_messages(
    herald: Herald,
) -> None:
    key = herald.key()
    with transaction() as session:
        wanted = {"key": "service", "name": "Service", "klass": "transactional"}
        topics.create(session, wanted, datetime.now(UTC))
    before = set(herald.handed_over())

    def send(number: int) -> int:
        body = {
            "topic": "service",
            "content": {"email": {"subject": "Hello", "html": "<p>Hello</p>", "text": "Hello"}},
            "to": {"email": f"caller{number % 800}@example.com"},
        }
        status, _, _ = herald.call(
            "POST", "/notifications", key, body, {"Idempotency-Key": f"call-{number % 800}"}
        )
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(1_000)))
    assert set(statuses) == {202}
    assert eventually(lambda: len(set(herald.handed_over()) - before) == 800, 60)
    journal = herald.handed_over()
    assert all(journal[ref] == 1 for ref in set(journal) - before)


def test_a_provider_in_trouble_for_a_while_loses_nothing(herald: Herald) -> None:
    key = herald.key()
    herald.control(
        "faults",
        {"provider": "sendgrid", "match": {}, "for": {"seconds": 10}, "answer": {"status": 500}},
    )
    body = {
        "topic": "service",
        "content": {"email": {"subject": "Hello", "html": "<p>Hello</p>", "text": "Hello"}},
        "to": {"email": "patient@example.com"},
    }
    _, answer, _ = herald.call("POST", "/notifications", key, body)
    reference = answer["notifications"][0]["id"]
    assert eventually(lambda: herald.handed_over()[reference] == 1, 90)
