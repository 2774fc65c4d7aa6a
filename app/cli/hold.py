"""`herald hold`: let nothing go out, see why nothing does, go on."""

import click

from app.cli.running import actor, application


@click.group()
def hold() -> None:
    """Let nothing go out, see whether anything does, go on.

    A copy of the database (a restored backup, a cloned server) starts held, so that what waits in
    it is not sent a second time.
    """


@hold.command()
def status() -> None:
    """Say whether Herald sends, and what waits; ends with code 1 when it is held."""
    from app import clock
    from app.campaigns import waiting
    from app.db import transaction
    from app.sending import installation

    with application(), transaction() as session:
        held = installation.hold(session)
        found = waiting.summary(session, clock.now())
    if held is None:
        click.echo("Herald sends as usual.")
        return
    click.echo(f"Held since {held.since:%Y-%m-%d %H:%M} UTC by {held.by}. {held.reason}")
    if held.discarding_at:
        click.echo("What waited is being discarded.")
    click.echo(
        f"{found.at_once:,} messages would go out at once, {found.later:,} later; "
        f"{found.unknown:,} have no known outcome."
    )
    for campaign in found.overdue:
        click.echo(f"Its time has passed: {campaign.name} ({campaign.send_at:%Y-%m-%d %H:%M} UTC)")
    raise click.exceptions.Exit(1)


@hold.command("set")
@click.option("--reason", default="", help="Shown on every page.")
def set_(reason: str) -> None:
    """Let nothing go out from now on; calls that have begun are finished."""
    from app import clock
    from app.accounts import audit
    from app.db import transaction
    from app.sending import installation

    with application() as app, transaction() as session:
        now, who = clock.now(), actor()
        var_dir = app.config["HERALD"].var_dir
        done = installation.hold_by_hand(session, var_dir, who.name, reason, now)
        if done:
            audit.record(session, who, "installation.hold", "", {"reason": reason}, now)
    click.echo("Nothing goes out now." if done else "It was held already.")


@hold.command()
def release() -> None:
    """Send again: this is the real one, and no other copy runs."""
    from app import clock
    from app.accounts import audit
    from app.db import transaction
    from app.sending import installation

    with application(), transaction() as session:
        now = clock.now()
        done = installation.release(session, now)
        if done:
            audit.record(session, actor(), "installation.release", "", None, now)
    click.echo("Herald sends again." if done else "It was not held.")


@hold.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def discard(yes: bool) -> None:
    """Cancel what waits, make scheduled campaigns drafts, and send again. There is no way back."""
    from app import clock
    from app.accounts import audit
    from app.campaigns import waiting
    from app.db import transaction
    from app.sending import installation

    with application():
        with transaction() as session:
            now = clock.now()
            if installation.hold(session) is None:
                raise click.ClickException("Nothing is held: hold it first with `herald hold set`.")
            found = waiting.summary(session, now)
        question = f"Cancel {found.messages:,} messages?"
        if not yes and not click.confirm(question):
            raise click.Abort
        with transaction() as session:
            waiting.begin_discarding(session, now)
            audit.record(session, actor(), "installation.discard", "", None, now)
        more = True
        while more:
            with transaction() as session:
                more = waiting.discard_some(session, clock.now())
        with transaction() as session:
            left = installation.hold(session) is not None
    if left:
        click.echo("Some messages are in the hands of workers; the rest follows by itself.")
    else:
        click.echo("What waited is cancelled. Herald sends again.")
