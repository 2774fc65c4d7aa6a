"""`herald drill`: hurting a Herald on purpose."""

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Final

import click

from app.drill.disk import CannotRunError
from app.drill.faults import FAULTS
from app.drill.result import Round
from app.drill.run import Finding, Plan
from app.drill.run import drill as run_drill

SHOWN: Final = 20


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
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy logs and journal of a round that broke a promise to this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per round.")
def drill(messages: int, fault: str, rounds: int, keep: Path | None, as_json: bool) -> None:
    """Hurt a Herald while it sends, and count what arrived.

    A whole installation is started in a temporary folder, with the sandbox as provider. Messages
    are sent by the API, one by one and in batches, and by a campaign; what was accepted is compared
    with the sandbox's journal. Ends with code 1 when a message was lost, never came to an end, or
    arrived twice although it was not in the air when a process was killed; with code 2 when it
    could not begin, for want of rights for instance.
    """
    signal.signal(signal.SIGTERM, _end)  # nothing of it is left behind
    broken = False
    try:
        for finding in run_drill(Plan(fault, messages, rounds, keep), _say):
            broken = broken or not finding.round.kept
            result = finding.round
            click.echo(json.dumps(asdict(result)) if as_json else _sentence(result))
            sys.stdout.flush()
            _explain(finding)
    except CannotRunError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    if broken:
        raise SystemExit(1)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _explain(finding: Finding) -> None:
    for message in finding.wrong[:SHOWN]:
        click.echo(f"  {message}", err=True)
    if len(finding.wrong) > SHOWN:
        click.echo(f"  and {len(finding.wrong) - SHOWN:,} more", err=True)


def _sentence(result: Round) -> str:
    verdict = "kept" if result.kept else "BROKEN"
    return (
        f"{result.fault}: {result.accepted:,} accepted, {result.handed_over:,} handed over, "
        f"{result.lost:,} lost, {result.doubled:,} twice ({result.in_air_at_kills:,} were in the "
        f"air), {result.unknown:,} without an answer, quiet again after {result.recovered_s:g} s: "
        f"{verdict}"
    )
