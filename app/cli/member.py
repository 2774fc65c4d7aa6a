"""`herald member`: people who work in the console."""

from typing import TYPE_CHECKING

import click

from app.cli.running import actor, application

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.accounts.models import Member

ROLES = ("owner", "marketer", "support", "developer", "viewer")


@click.group()
def member() -> None:
    """Members: the people who may sign in to the console."""


@member.command()
@click.argument("email")
@click.option("--name", required=True, help="Name shown beside what this member does.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What this member may do.")
def create(email: str, name: str, role: str) -> None:
    """Let EMAIL sign in, with a one-time password that is printed on the last line.

    It must be replaced at the first sign-in.
    """
    from app import clock
    from app.accounts import audit, members, passwords
    from app.db import transaction

    password = passwords.make()
    with application(), transaction() as session:
        now = clock.now()
        made = members.create_member(session, email, name, role, password, now, temporary=True)
        audit.record(session, actor(), "member.create", made.email, {"role": role}, now)
    click.echo(f"{made.email} may sign in as {role}. The one-time password:")
    click.echo(password)


@member.command("list")
def list_members() -> None:
    """List all members, those who may sign in first."""
    from app.accounts import members
    from app.db import transaction

    with application(), transaction() as session:
        rows = [
            (row.email, row.role, "disabled" if row.disabled_at else "", row.name)
            for row in members.listed(session)
        ]
    if not rows:
        click.echo("There are no members yet. Create one: herald member create EMAIL …")
    for email, role, state, name in rows:
        click.echo(f"{email:<36} {role:<10} {state:<9} {name}")


@member.command("reset-password")
@click.argument("email")
def reset_password(email: str) -> None:
    """Give EMAIL a new one-time password, and sign out every browser of theirs."""
    from app import clock
    from app.accounts import audit, members
    from app.db import transaction

    with application(), transaction() as session:
        found = _member(session, email)
        password = members.reset_password(session, found.id)
        now = clock.now()
        audit.record(session, actor(), "member.reset_password", found.email, None, now)
    click.echo(f"The one-time password of {found.email}:")
    click.echo(password)


@member.command()
@click.argument("email")
def disable(email: str) -> None:
    """Keep EMAIL out, from now on and in every browser."""
    from app import clock
    from app.accounts import audit, members
    from app.db import transaction

    with application(), transaction() as session:
        now = clock.now()
        found = _member(session, email)
        members.disable(session, found.id, now)
        audit.record(session, actor(), "member.disable", found.email, None, now)
    click.echo(f"{found.email} can no longer sign in.")


def _member(session: "Session", email: str) -> "Member":
    from app.accounts import members

    found = members.by_email(session, email)
    if found is None:
        raise click.ClickException(f"No member has the e-mail address {email}.")
    return found
