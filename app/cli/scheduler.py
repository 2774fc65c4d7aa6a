"""`herald scheduler`: the clock of the house."""

import click

from app.cli.running import become


@click.command()
def scheduler() -> None:
    """Run the scheduler, which starts what is due.

    Due campaigns, messages to be tried again, leases that ran out, figures and alerts. Several may
    run; one of them leads, and another takes over when it ends.
    """
    from app.supervisor.programs import ROOT, python

    become(python("workers.scheduler"), ROOT)
