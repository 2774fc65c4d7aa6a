"""`herald up`: everything on this machine."""

import os

import click


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Also print what every process prints.")
def up(follow: bool) -> None:
    """Run everything on this machine.

    Servers, console, workers, scheduler and sandbox. PostgreSQL and Valkey are started from their
    bundled packages unless DATABASE_URL and REDIS_URL say where yours are. The database is brought
    up to date, demo data are made the first time (HERALD_DEMO=no for none), and what dies is
    started again. Ctrl-C stops everything.

    The console is on port 8000; PORT= chooses another. Everything is kept in ./var
    (HERALD_VAR_DIR=); addresses, demo members and keys are in var/run.json for scripts.
    """
    from app.settings import load
    from app.supervisor.run import up as run_everything
    from app.supervisor.runfile import AlreadyRunning

    try:
        run_everything(load(), os.environ, click.echo, follow)
    except AlreadyRunning as error:
        raise click.ClickException(str(error)) from error
