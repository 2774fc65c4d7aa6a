"""`herald drill`: hurting a Herald on purpose."""

import json
from dataclasses import asdict

import click

from app.drill.faults import FAULTS
from app.drill.run import Round
from app.drill.run import drill as run_drill


@click.command()
@click.option(
    "--messages",
    type=click.IntRange(10, 1_000_000),
    default=10_000,
    show_default=True,
    help="How many are sent in each round.",
)
@click.option(
    "--fault",
    type=click.Choice(sorted(FAULTS)),
    default="random",
    show_default=True,
    help="What goes wrong; random takes three, one after the other.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How often, in one installation.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per round.")
def drill(messages: int, fault: str, rounds: int, as_json: bool) -> None:
    """Hurt a Herald while it sends, and count what arrived.

    A whole installation is started in a temporary folder, with the sandbox as provider. What the
    API accepted is compared with the sandbox's journal. Ends with code 1 when a message was lost,
    or arrived twice although it was not in the air when a process was killed.
    """
    broken = False
    for result in run_drill(fault, messages, rounds):
        broken = broken or not result.kept
        click.echo(json.dumps(asdict(result)) if as_json else _sentence(result))
    if broken:
        raise SystemExit(1)


def _sentence(result: Round) -> str:
    verdict = "kept" if result.kept else "BROKEN"
    return (
        f"{result.fault}: {result.accepted:,} accepted, {result.handed_over:,} handed over, "
        f"{result.lost:,} lost, {result.doubled:,} twice ({result.in_air_at_kills:,} were in the "
        f"air), {result.unknown:,} without an answer, quiet again after {result.recovered_s:g} s: "
        f"{verdict}"
    )
