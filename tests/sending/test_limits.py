"""Nothing waits unseen: what is older than its stage allows is told, and forgotten when it goes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from app.alerts.models import Incident
from app.db import transaction
from app.sending import control, limits
from app.sending.requests import Recipient
from tests.support.sending import House


def run(statement: str, **values: Any) -> None:
    """Put something where a fault would leave it."""
    with transaction() as session:
        session.execute(text(statement), values)


def look(ahead: timedelta) -> Mapping[str, Incident]:
    """Two turns of the watch, half a minute apart; the open incidents by their cause."""
    start = datetime.now(UTC) + ahead
    for moment in (start, start + limits.STAYS):
        with transaction() as session:
            limits.check(session, moment)
    with transaction() as session:
        rows = session.scalars(select(Incident).where(Incident.resolved_at.is_(None)))
        return {row.cause: row for row in rows}


def held(house: House) -> None:
    house.accept(
        Recipient(email="ann@example.com"), send_at=datetime.now(UTC) + timedelta(seconds=30)
    )


def unknown(house: House) -> None:
    house.accept(Recipient(email="ann@example.com"))
    run("update notification set status = 'unknown', send_after = now() + interval '60 s'")


def dispatching(house: House) -> None:
    house.accept(Recipient(email="ann@example.com"))
    run("update batch set state = 'dispatching', dispatched_at = now()")


def bulk(house: House) -> None:
    house.accept(Recipient(email="ann@example.com"), topic="offers")


def transactional(house: House) -> None:
    house.accept(Recipient(phone="+447700900412"))


def receipt(house: House) -> None:
    run(
        "insert into receipt (provider, received_at, due_at, body) "
        "values ('twilio_status', now(), now(), '')"
    )


def silent(house: House) -> None:
    house.accept(Recipient(email="ann@example.com"))
    house.deliver_all()


def launching(house: House) -> None:
    run("insert into campaign (id, name, status) values (7, 'Spring', 'launching')")


def scheduled(house: House) -> None:
    run("insert into campaign (id, name, status, send_at) values (7, 'Spring', 'scheduled', now())")


def importing(house: House) -> None:
    run(
        "insert into import (id, filename, path, bytes, header, mapping, status) "
        "values (7, 'people.csv', '', 1, '{}', '{}', 'running')"
    )


STAGES = {
    transactional: (60, "stage:transactional:sms.transactional", "1 message wait"),
    bulk: (60, "stage:bulk:email.bulk", "email.bulk stands still"),
    dispatching: (300, "stage:dispatching:email.transactional", "handed over for too long"),
    held: (90, "stage:held:email", "were not released"),
    unknown: (600, "stage:unknown:email", "still unknown"),
    receipt: (60, "stage:receipts:twilio_status", "1 report of twilio_status"),
    silent: (72 * 3600, "stage:silent:sendgrid", "never said what became of 1 message"),
    launching: (60, "stage:launching:7", "“Spring” does not get ahead"),
    scheduled: (60, "stage:scheduled:7", "“Spring” was to start"),
    importing: (180, "stage:import:7", "people.csv stands still"),
}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_what_is_older_than_its_stage_allows_is_one_incident(house: House, stage: Any) -> None:
    seconds, cause, words = STAGES[stage]
    stage(house)
    assert cause not in look(timedelta(seconds=seconds - 35)), "not yet"
    incident = look(timedelta(seconds=seconds + 5))[cause]
    assert words in incident.title
    assert incident.count == 1


def test_it_is_resolved_by_itself_a_minute_after_the_stage_is_clear(house: House) -> None:
    transactional(house)
    assert look(timedelta(minutes=2))
    house.deliver_all()
    assert look(timedelta(minutes=2, seconds=45)), "what comes and goes is one incident"
    assert look(timedelta(minutes=4)) == {}


@pytest.mark.parametrize("lane", ["transactional", "bulk"])
def test_a_paused_queue_is_not_late(house: House, lane: str) -> None:
    (transactional if lane == "transactional" else bulk)(house)
    with transaction() as session:
        for channel in ("email", "sms"):
            control.pause_lane(session, channel, lane, "Ann", datetime.now(UTC))
    assert look(timedelta(minutes=30)) == {}


def test_what_waits_for_a_provider_that_is_down_is_not_late(house: House) -> None:
    transactional(house)
    run(
        "insert into provider_account (provider, open_since, cause, probe_at) "
        "values ('twilio', now(), 'failing', now() + interval '1 day')"
    )
    assert look(timedelta(minutes=30)) == {}


def test_a_queue_that_drains_after_a_pause_is_not_told(house: House) -> None:
    transactional(house)
    with transaction() as session:
        assert limits.check(session, datetime.now(UTC) + timedelta(minutes=30)) == []
    house.deliver_all()
    assert look(timedelta(minutes=31)) == {}


def test_a_bulk_queue_that_gets_ahead_is_not_late(house: House) -> None:
    for _ in range(2):
        bulk(house)
    run("update batch set state = 'done', done_at = now() where id = (select min(id) from batch)")
    with transaction() as session:
        assert limits.late(session, datetime.now(UTC) + timedelta(seconds=50)) == []
    run("update batch set created_at = created_at - interval '1 hour' where state = 'pending'")
    with transaction() as session:
        assert limits.late(session, datetime.now(UTC) + timedelta(seconds=50)) == []
        (late,) = limits.late(session, datetime.now(UTC) + timedelta(seconds=70))
    assert late.oldest < timedelta(seconds=90), "since the last one that was finished"


def test_monitoring_sees_how_old_the_oldest_of_each_stage_is(
    house: House, client: FlaskClient
) -> None:
    transactional(house)
    run("update batch set created_at = created_at - interval '10 minutes'")
    page = client.get("/metrics").text
    samples = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("herald_"))
    assert 600 <= float(samples['herald_stage_oldest_seconds{stage="transactional"}']) < 660
    assert samples['herald_stage_late{stage="transactional"}'] == "1.0"
    assert samples['herald_stage_late{stage="bulk"}'] == "0.0"
