"""`herald web`: the web server process."""

import click

from app.cli.running import become


@click.command()
@click.option("--workers", default=2, show_default=True, help="Processes that answer requests.")
def web(workers: int) -> None:
    """Run the console, the API and the provider webhooks.

    Listens on HERALD_HOST (127.0.0.1) and PORT (8000). Any number of these may run behind a load
    balancer; any other WSGI server can serve `wsgi:app` as well.
    """
    from app.settings import load
    from app.supervisor.programs import ROOT, web_command

    settings = load()
    become(web_command(settings.host, settings.port, workers), ROOT)
