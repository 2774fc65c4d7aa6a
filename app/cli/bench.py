"""`herald bench`: measuring."""

import json

import click


@click.group()
def bench() -> None:
    """Measure how fast this machine does Herald's work, against the sandbox.

    Every benchmark runs in a scratch installation of its own; nothing is sent to a real provider.
    """


@bench.command()
@click.option(
    "--channel",
    type=click.Choice(["email", "sms", "ios", "android"]),
    default="email",
    show_default=True,
    help="Which channel the campaign goes to.",
)
@click.option(
    "--recipients",
    type=click.IntRange(1, 1_000_000),
    default=20_000,
    show_default=True,
    help="People in the campaign.",
)
@click.option(
    "--runs", type=click.IntRange(1, 20), default=3, show_default=True, help="The median counts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def send(channel: str, recipients: int, runs: int, as_json: bool) -> None:
    """Send campaigns through the real processes, from launch to the last recorded answer."""
    from app.bench import send as sending
    from app.factory import create_app

    result = sending.run(create_app, channel, recipients, runs)
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{recipients:,} people by {channel}: {result['per_second']:,} per second")
    for name, used in result["cpu_us"].items():
        memory = result["rss_mb"].get(name)
        extra = f", {memory:,.0f} MB" if memory else ""
        click.echo(f"  {name}: {used} µs of processor time per person{extra}")
