"""`herald worker`: a process that sends."""

import click

from app.cli.running import become


@click.command()
@click.option(
    "--lane",
    type=click.Choice(["transactional", "bulk"]),
    required=True,
    help="transactional: codes, receipts, service messages. bulk: campaigns.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 32),
    default=1,
    show_default=True,
    help="How many processes; they share most of their memory.",
)
def worker(lane: str, processes: int) -> None:
    """Run a worker, which sends the messages of one lane.

    It takes batches from the queue. Run at least one per lane; more of them send more. A worker may
    be killed at any time: what it had not sent is taken up by another.
    """
    from app.supervisor.programs import ROOT, python

    become(python("workers.main", "--lane", lane, "--processes", str(processes)), ROOT)
