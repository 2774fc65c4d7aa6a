"""`herald assets`: the browser files that are not committed."""

import click


@click.command()
def assets() -> None:
    """Fetch the console's third-party browser files.

    They are copied to static/vendor. Packages come from the npm registry as package-lock.json pins
    them, without running scripts of theirs. Quick when nothing changed. `make run` does this for
    you.
    """
    from app.assets import AssetsError, build_assets
    from app.supervisor.programs import ROOT

    try:
        changed = build_assets(ROOT)
    except AssetsError as error:
        raise click.ClickException(str(error)) from error
    click.echo("static/vendor was made." if changed else "static/vendor is up to date.")
