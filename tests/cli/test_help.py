"""Every command explains itself."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from app.cli.main import main

EXPECTED = {"up", "web", "worker", "scheduler", "sandbox", "db", "member", "key", "bench", "doctor"}


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


ALL = list(_commands(main, "herald"))


def test_every_noun_is_there() -> None:
    assert set(main.commands) >= EXPECTED


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_a_command_says_what_it_does_and_every_option_what_it_means(
    path: str, command: click.Command
) -> None:
    answer = CliRunner().invoke(main, [*path.split()[1:], "--help"])
    assert answer.exit_code == 0
    assert len((command.help or "").split()) >= 5
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.help, f"{path} {parameter.opts}"


def test_the_version_is_told() -> None:
    answer = CliRunner().invoke(main, ["--version"])
    assert "version" in answer.output
