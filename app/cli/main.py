"""The `herald` command and the one place where refusals become sentences on the terminal."""

from typing import Any

import click

from app.cli.assets import assets
from app.cli.bench import bench
from app.cli.books import books
from app.cli.db import db
from app.cli.doctor import doctor
from app.cli.drill import drill
from app.cli.hold import hold
from app.cli.imports import import_people
from app.cli.key import key
from app.cli.member import member
from app.cli.sandbox import sandbox
from app.cli.scheduler import scheduler
from app.cli.send import send
from app.cli.up import up
from app.cli.web import web
from app.cli.worker import worker
from app.errors import DomainError
from app.servers.process import ServerError
from app.settings import SettingsError


class _Polite(click.Group):
    """Known refusals end with their sentence and code 1, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (DomainError, ServerError, SettingsError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Polite, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="herald")
def main() -> None:
    """Herald: e-mail, SMS and push messages from one console and one API.

    Start with `herald up`, which runs everything on this machine and prints where it is. The other
    commands run one process each (for production), or do one thing with the running system.

    Settings come from the environment; the README lists them.
    """


for _command in (
    up,
    web,
    worker,
    scheduler,
    sandbox,
    db,
    member,
    key,
    import_people,
    send,
    bench,
    drill,
    doctor,
    books,
    hold,
    assets,
):
    main.add_command(_command)


if __name__ == "__main__":
    main(prog_name="herald")
