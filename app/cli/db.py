"""`herald db`: the database itself."""

import click

from app.cli.running import reached


@click.group()
def db() -> None:
    """Bring the database up to date, check it, empty it."""


@db.command()
def migrate() -> None:
    """Bring the database up to date. Safe to repeat, and to run while old workers still work."""
    from app import migrate as migrations

    with reached() as settings:
        click.echo(f"The database is at revision {migrations.upgrade(settings.database_url)}.")


@db.command()
def check() -> None:
    """Say whether the database answers and is up to date; ends with code 1 when it is not."""
    from sqlalchemy.exc import OperationalError

    from app import migrate as migrations

    with reached() as settings:
        try:
            fresh = migrations.at_head(settings.database_url)
        except OperationalError as error:
            raise click.ClickException(f"The database does not answer: {error.orig}") from error
        if not fresh:
            raise click.ClickException("The database is not up to date. Run: herald db migrate")
        click.echo(f"The database answers and is at revision {migrations.head()}.")


@db.command()
def url() -> None:
    """Print the database's address, with its password, for psql and other tools.

    Example: psql "$(herald db url)"
    """
    from app.cli.running import attached

    click.echo(attached().database_url.replace("+psycopg", "", 1))


@db.command()
@click.option("--yes", metavar="NAME", help="The database's name, instead of being asked for it.")
def reset(yes: str | None) -> None:
    """Delete everything in the database and make it anew, empty.

    Asks you to type the database's name. There is no way back.
    """
    from sqlalchemy import make_url

    from app import migrate as migrations

    with reached() as settings:
        name = make_url(settings.database_url).database or ""
        question = f"All people, campaigns and messages in {name!r} will be gone. Type its name"
        typed = yes if yes is not None else click.prompt(question)
        if typed != name:
            raise click.ClickException(f"Nothing was deleted: {typed!r} is not {name!r}.")
        migrations.downgrade(settings.database_url, "base")
        migrations.upgrade(settings.database_url)
        (settings.var_dir / "demo.json").unlink(missing_ok=True)
    click.echo("The database is empty and up to date.")
