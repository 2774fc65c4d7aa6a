"""The doctor finds what is wrong and says what to do."""

from tests.cli.conftest import Herald
from tests.support.database import fresh_database


def test_it_names_every_part(herald: Herald) -> None:
    output = herald("doctor").output
    for word in ("Python", "settings", "browser files", "SendGrid", "PostgreSQL 18", "up to date"):
        assert word in output


def test_a_database_behind_the_code_is_found(herald: Herald, worker_id: str) -> None:
    answer = herald("doctor", database=fresh_database(f"doctor_{worker_id}"))
    assert answer.exit_code == 1
    assert "FIX" in answer.output
    assert "herald db migrate" in answer.output


def test_a_server_that_does_not_answer_is_found(herald: Herald) -> None:
    answer = herald("doctor", database="postgresql://herald@127.0.0.1:9/herald")
    assert answer.exit_code == 1
    assert "PostgreSQL does not answer" in answer.output
    assert "Traceback" not in answer.output


def test_who_sends_by_a_mail_server_is_not_told_to_get_another(herald: Herald) -> None:
    output = herald("doctor", SMTP_URL="smtps://user:secret@mail.example.com").output
    assert "The mail server has credentials" in output
    assert "SendGrid is not used" in output
    assert "nobody outside can open" in output
    assert "secret" not in output
