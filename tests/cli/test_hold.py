"""The hold and the books from the shell: before a migration, and after a restore."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.cli.conftest import Herald


def test_it_is_held_by_hand_and_released(herald: Herald) -> None:
    assert herald("hold", "status").output == "Herald sends as usual.\n"
    assert herald("hold", "set", "--reason", "Moving house.").output == "Nothing goes out now.\n"
    assert "held already" in herald("hold", "set").output
    said = herald("hold", "status")
    assert said.exit_code == 1
    assert "Moving house." in said.output
    assert herald("hold", "release").output == "Herald sends again.\n"
    assert herald("hold", "status").exit_code == 0


def test_discarding_asks_first(herald: Herald, session: Session) -> None:
    assert herald("hold", "discard").exit_code == 1
    herald("hold", "set")
    session.execute(text("insert into campaign (name, status) values ('Spring', 'scheduled')"))
    session.commit()
    assert herald("hold", "discard", typed="n\n").exit_code == 1
    assert "Herald sends again." in herald("hold", "discard", typed="y\n").output
    assert session.scalar(text("select status from campaign")) == "draft"


def test_the_books_are_compared_from_the_shell(herald: Herald, session: Session) -> None:
    assert "The books balance: 0 messages" in herald("books").output
    columns = 'channel, hour, status, entered, "left"'
    session.execute(
        text(f"insert into ledger_delta ({columns}) values ('sms', now(), 'accepted', 1, 0)")
    )
    session.commit()
    said = herald("books")
    assert said.exit_code == 1
    assert "sms, accepted, outside campaigns: the counters say 1, the log holds 0." in said.output
    assert '"balanced":false' in herald("books", "--json").output
