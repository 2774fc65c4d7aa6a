"""`herald books`: is every message in exactly one place?"""

import click

from app.cli.running import application


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one JSON object.")
def books(as_json: bool) -> None:
    """Compare the counters with the log, and the queue with the batches.

    Reads everything in one snapshot and changes nothing. Ends with code 1 when a single message
    does not add up. The scheduler does the same by itself and opens an alert.
    """
    from dataclasses import asdict

    import orjson

    from app.db import db
    from app.sending.compare import compare

    with application():
        found = compare(db.engine)
    if as_json:
        click.echo(orjson.dumps({**asdict(found), "balanced": found.balanced}).decode())
    else:
        for one in found.differences:
            where = f"campaign “{one.campaign}”" if one.campaign_id else "outside campaigns"
            state = f"{one.status} ({one.reason})" if one.reason else one.status
            click.echo(
                f"{one.channel}, {state}, {where}: the counters say {one.booked:,}, "
                f"the log holds {one.counted:,}."
            )
        if found.lost:
            click.echo(f"{len(found.lost):,} queued messages are in no batch.")
        if found.doubled:
            click.echo(f"{found.doubled:,} queued messages are in more than one batch.")
        verdict = "balance" if found.balanced else "do not balance"
        click.echo(f"The books {verdict}: {found.messages:,} messages, {found.seconds:.1f} s.")
    if not found.balanced:
        raise click.exceptions.Exit(1)
