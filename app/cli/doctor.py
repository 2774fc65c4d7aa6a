"""`herald doctor`: is everything as it should be, and if not, what to do."""

import click


@click.command()
def doctor() -> None:
    """Check everything and say what to do.

    Settings, folders, browser files, providers, database and queue, in plain sentences. Ends with
    code 1 when something needs a hand.
    """
    from app.cli.checks import examine

    healthy = True
    for finding in examine():
        mark = click.style("ok ", fg="green") if finding.ok else click.style("FIX", fg="red")
        click.echo(f"{mark}  {finding.sentence}")
        if not finding.ok:
            healthy = False
            click.echo(f"     {finding.advice}")
    if not healthy:
        raise click.exceptions.Exit(1)
