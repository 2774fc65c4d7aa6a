"""One message from the shell."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.sending.models import Notification
from tests.cli.conftest import Herald

DATA = ("--data", 'order={"number": "1042"}')


@pytest.mark.usefixtures("shop")
def test_a_message_exists_when_the_command_ends(herald: Herald, session: Session) -> None:
    answer = herald("send", "order-shipped", "--person", "u-ann", "--channel", "sms", *DATA)
    assert answer.exit_code == 0, answer.output
    public_id, channel, status = answer.output.split()
    assert public_id.startswith("ntf_")
    assert (channel, status) == ("sms", "queued")
    row = session.scalars(select(Notification)).one()
    assert (row.channel, row.address) == ("sms", "+447700900412")


@pytest.mark.usefixtures("shop")
def test_what_the_template_misses_is_named(herald: Herald, session: Session) -> None:
    answer = herald("send", "order-shipped", "--email", "ada@example.com")
    assert answer.exit_code == 1
    assert "order.number" in answer.output
    assert session.scalars(select(Notification)).all() == []


def test_a_recipient_is_needed(herald: Herald) -> None:
    answer = herald("send", "order-shipped")
    assert answer.exit_code == 2
    assert "--person" in answer.output
