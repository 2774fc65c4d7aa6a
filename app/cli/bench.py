"""`herald bench`: measuring."""

import click


@click.group()
def bench() -> None:
    """Measure how fast this machine does Herald's work, against the sandbox.

    Nothing is sent to a real provider.
    """
