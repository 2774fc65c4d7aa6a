"""Members from the shell: the way in when nobody can sign in."""

from pathlib import Path

from click.testing import CliRunner
from sqlalchemy.orm import Session

from app import clock
from app.accounts import members
from app.cli.main import main
from tests.cli.conftest import Herald


def test_a_new_member_signs_in_with_the_password_of_the_last_line(
    herald: Herald, session: Session
) -> None:
    answer = herald("member", "create", "ada@example.com", "--name", "Ada", "--role", "owner")
    assert answer.exit_code == 0
    password = answer.output.splitlines()[-1]
    verdict = members.authenticate(session, "ada@example.com", password, clock.now())
    assert verdict.member
    assert (verdict.member.role, verdict.member.password_temporary) == ("owner", True)


def test_a_wrong_address_is_refused_with_a_sentence(herald: Herald) -> None:
    answer = herald("member", "create", "nonsense", "--name", "Ada", "--role", "owner")
    assert answer.exit_code == 1
    assert "Error:" in answer.output
    assert "Traceback" not in answer.output


def test_a_new_password_replaces_the_old_one(herald: Herald, session: Session) -> None:
    herald("member", "create", "ada@example.com", "--name", "Ada", "--role", "owner")
    new = herald("member", "reset-password", "Ada@Example.com").output.splitlines()[-1]
    assert members.authenticate(session, "ada@example.com", new, clock.now()).member


def test_a_disabled_member_is_listed_as_such(herald: Herald) -> None:
    herald("member", "create", "ada@example.com", "--name", "Ada", "--role", "owner")
    herald("member", "create", "bo@example.com", "--name", "Bo", "--role", "viewer")
    assert herald("member", "disable", "bo@example.com").exit_code == 0
    lines = herald("member", "list").output.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["ada@example.com", "owner", "Ada"],
        ["bo@example.com", "viewer", "disabled"],
    ]


def test_an_unknown_address_is_named(herald: Herald) -> None:
    answer = herald("member", "disable", "nobody@example.com")
    assert answer.exit_code == 1
    assert "nobody@example.com" in answer.output


def test_in_another_folder_nothing_is_made_and_the_right_one_is_asked_for(tmp_path: Path) -> None:
    elsewhere = {"DATABASE_URL": "", "REDIS_URL": "", "HERALD_VAR_DIR": str(tmp_path / "var")}
    answer = CliRunner(env=elsewhere).invoke(main, ["member", "list"])
    assert answer.exit_code == 1
    assert f"There is no Herald in {tmp_path / 'var'}." in answer.output
    assert not (tmp_path / "var" / "postgres").exists()
