"""What a drill tells of a message with which something is wrong."""

from datetime import UTC, datetime
from pathlib import Path

from app import ids
from app.db import transaction
from app.drill.house import House as Drilled
from app.drill.result import Message, with_stories
from app.sending.requests import Recipient
from app.tracking import receipts
from tests.support.database import Database
from tests.support.sending import House


def test_it_has_the_tries_and_the_reports_of_the_message(
    house: House, database: Database, tmp_path: Path
) -> None:
    house.sandbox.fault("sendgrid", fault="accept_then_reset")
    accepted = house.accept(Recipient(email="sam@example.com"), data={"first_name": "Sam"})
    house.deliver_all()
    public_id = ids.encode("ntf", accepted.messages[0].key)
    body = f'[{{"event": "delivered", "nid": "{public_id}"}}]'.encode()
    with transaction() as session:
        receipts.store(session, "sendgrid", body, {}, datetime.now(UTC))
    facts = {"database_url": database.url.replace("+psycopg", "")}
    drilled = Drilled(tmp_path, tmp_path, 0, facts, {})
    messages = [Message(public_id, 2, "delivered", "", 2), Message("ntf_1", 2, "delivered", "", 2)]
    first, second = with_stories(drilled, messages, most=1)
    attempt, report = first.story
    assert "attempt 1 by sendgrid: ambiguous no_answer" in attempt
    assert "applied never, looked at 0 times before" in report
    assert second.story == ()
