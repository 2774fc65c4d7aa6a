"""The database from the shell."""

from app.migrate import head
from tests.cli.conftest import Herald
from tests.support.database import fresh_database


def test_a_database_that_is_up_to_date_passes_the_check(herald: Herald) -> None:
    answer = herald("db", "check")
    assert answer.exit_code == 0
    assert str(head()) in answer.output


def test_an_empty_database_is_migrated(herald: Herald, worker_id: str) -> None:
    url = fresh_database(f"cli_{worker_id}")
    assert herald("db", "check", database=url).exit_code == 1
    assert herald("db", "migrate", database=url).exit_code == 0
    assert herald("db", "check", database=url).exit_code == 0


def test_a_reset_needs_the_name_of_the_database(herald: Herald) -> None:
    answer = herald("db", "reset", typed="yes\n")
    assert answer.exit_code == 1
    assert "Nothing was deleted" in answer.output


def test_a_reset_leaves_an_empty_database_that_is_up_to_date(
    herald: Herald, worker_id: str
) -> None:
    name = f"reset_{worker_id}"
    url = fresh_database(name)
    herald("db", "migrate", database=url)
    herald("member", "create", "a@example.com", "--name", "A", "--role", "owner", database=url)
    assert herald("db", "reset", typed=f"{name}\n", database=url).exit_code == 0
    assert "no members" in herald("member", "list", database=url).output
    assert herald("db", "check", database=url).exit_code == 0


def test_the_address_is_one_that_psql_understands(herald: Herald) -> None:
    assert herald("db", "url").output.startswith("postgresql://")
