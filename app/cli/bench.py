"""`herald bench`: measuring."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
CHANNELS = ("email", "sms", "ios", "android")


@click.group()
def bench() -> None:
    """Measure how fast this machine does Herald's work, against the sandbox.

    Every benchmark runs in a scratch installation of its own; nothing is sent to a real provider.
    What is compared with what, and how to read the figures: docs/performance.md.
    """


def _size(name: str, default: int, words: str, least: int = 1) -> Callable[[Command], Command]:
    """A number of something."""
    kind = click.IntRange(least, 20_000_000)
    return click.option(name, type=kind, default=default, show_default=True, help=words)


def _always(command: Command) -> Command:
    """The options that every benchmark has."""
    runs = click.option(
        "--runs",
        type=click.IntRange(1, 20),
        default=3,
        show_default=True,
        help="How often; medians count.",
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    return runs(as_json(command))


_log_rows = _size("--log-rows", 0, "Finished messages put into the log before.", least=0)
_channel = click.option(
    "--channel", type=click.Choice(CHANNELS), default="email", show_default=True, help="Which one."
)


def _print(as_json: bool, measure: Callable[[], Mapping[str, Any]]) -> None:
    from app.bench.figures import NotReal
    from app.bench.table import lines

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a stop removes the scratch folder too
    try:
        found = measure()
    except NotReal as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(found) if as_json else "\n".join(lines(found)))


@bench.command()
@_channel
@click.option(
    "--provider",
    type=click.Choice(["sendgrid", "smtp"]),
    default="sendgrid",
    show_default=True,
    help="How e-mail goes out.",
)
@_size("--recipients", 20_000, "People in each campaign.")
@_size("--baseline-recipients", 1_000, "People the baseline writes to; 0: no baseline.", least=0)
@_size("--baseline-processes", 0, "Workers of the baseline; 0: one per core.", least=0)
@_log_rows
@click.option(
    "--webhooks/--no-webhooks",
    default=True,
    show_default=True,
    help="Whether the sandbox tells about deliveries while the campaign runs.",
)
@_always
def send(as_json: bool, **wanted: Any) -> None:
    """Send campaigns through the real processes, from launch to the last recorded answer.

    Compared with one Dramatiq job and one call of the provider's SDK per recipient.
    """
    from app.bench import send as sending
    from app.factory import create_app

    _print(as_json, lambda: sending.run(create_app, sending.Wish(**wanted)))


@bench.command()
@_size("--requests", 10_000, "Calls in each run.")
@_always
def api(requests: int, runs: int, as_json: bool) -> None:
    """Accept single messages over the API, on 16 connections.

    Compared with Flask, one ORM insert and one actor.send() per request, on the same server.
    """
    from app.bench import api as accepting
    from app.factory import create_app

    _print(as_json, lambda: accepting.single(create_app, requests, runs))


@bench.command()
@_size("--requests", 500, "Calls in each run, of 100 messages each.")
@_always
def batch(requests: int, runs: int, as_json: bool) -> None:
    """Accept messages over the API, a hundred per call.

    Compared with the same messages one per call.
    """
    from app.bench import api as accepting
    from app.factory import create_app

    _print(as_json, lambda: accepting.batch(create_app, requests, runs))


@bench.command()
@_channel
@_size("--bulk", 100_000, "People in the campaign that runs beside.")
@_size("--messages", 300, "Single messages while nothing else is sent.")
@_size("--rate", 20, "Single messages per second.")
@_log_rows
@_always
def transactional(as_json: bool, **wanted: Any) -> None:
    """Time single messages from acceptance to the provider, idle and beside a campaign.

    The ratio is that of the two 95th percentiles.
    """
    from app.bench import transactional as waiting
    from app.factory import create_app

    _print(as_json, lambda: waiting.run(create_app, waiting.Wish(**wanted)))


@bench.command()
@_channel
@_size("--recipients", 1_000_000, "People in each campaign.")
@_log_rows
@_always
def launch(channel: str, recipients: int, log_rows: int, runs: int, as_json: bool) -> None:
    """Time a launch: content frozen, audience expanded, batches in the queue; nothing is sent."""
    from app.bench import launch as launching
    from app.factory import create_app

    _print(as_json, lambda: launching.run(create_app, channel, recipients, runs, log_rows))


@bench.command()
@_size("--hits", 10_000, "Opens and clicks in each run.")
@_always
def engagement(hits: int, runs: int, as_json: bool) -> None:
    """Take in opens and clicks until they are stored.

    Compared with one INSERT per hit.
    """
    from app.bench import engagement as reacting
    from app.factory import create_app

    _print(as_json, lambda: reacting.run(create_app, hits, runs))


@bench.command()
@_size("--events", 50_000, "Events SendGrid posts in each run; Twilio posts a tenth, one by one.")
@_always
def webhooks(events: int, runs: int, as_json: bool) -> None:
    """Take in what providers tell about messages until it is applied."""
    from app.bench import webhooks as hearing
    from app.factory import create_app

    _print(as_json, lambda: hearing.run(create_app, events, runs))


@bench.command()
@_size("--people", 1_000_000, "People in the database.")
@_always
def segments(people: int, runs: int, as_json: bool) -> None:
    """Count who fits a rule: one with an index, and one that nearly everybody fits.

    Compared with the same question without an index.
    """
    from app.bench import segments as counting
    from app.factory import create_app

    _print(as_json, lambda: counting.run(create_app, people, runs))


@bench.command("import")
@_size("--rows", 100_000, "Lines of each file.")
@_always
def import_people(rows: int, runs: int, as_json: bool) -> None:
    """Import people from CSV files, by herald import in a process of its own."""
    from app.bench import imports as importing
    from app.factory import create_app

    _print(as_json, lambda: importing.run(create_app, rows, runs))


@bench.command()
@_size("--log-rows", 1_000_000, "Messages in the log; half of them were opened.")
@_always
def dashboard(log_rows: int, runs: int, as_json: bool) -> None:
    """Open the console's overview, analytics and lists over a full log.

    Compared with one aggregate over the log itself.
    """
    from app.bench import pages
    from app.factory import create_app

    _print(as_json, lambda: pages.dashboard(create_app, log_rows, runs))


@bench.command()
@_size("--log-rows", 1_000_000, "Messages in the log; half of them were opened.")
@_always
def person(log_rows: int, runs: int, as_json: bool) -> None:
    """Find one person and open her page over a full log."""
    from app.bench import pages
    from app.factory import create_app

    _print(as_json, lambda: pages.person(create_app, log_rows, runs))


@bench.command("all")
@click.option(
    "--scale",
    type=click.Choice(["small", "full"]),
    default="small",
    show_default=True,
    help="Sizes: small to see that all works, full for docs/performance.md.",
)
def everything(scale: str) -> None:
    """Run every benchmark and print a Markdown table, as in docs/performance.md."""
    from app.bench import everything as table

    failed = False
    for line in table.run(scale):
        click.echo(line)
        failed = failed or table.FAILED in line
    if failed:
        raise click.exceptions.Exit(1)
