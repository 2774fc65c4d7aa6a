"""`herald key`: API keys for the product's services."""

from datetime import timedelta

import click

from app.cli.running import actor, application


@click.group()
def key() -> None:
    """API keys: what a service shows when it asks Herald to send."""


@key.command()
@click.argument("name")
@click.option(
    "--scopes",
    default="send",
    show_default=True,
    help="What the key may do, separated by commas: send, contacts, read, campaigns.",
)
@click.option("--test", is_flag=True, help="A test key: its messages go to the sandbox only.")
@click.option("--days", type=click.IntRange(1), help="The key ends after so many days.")
def create(name: str, scopes: str, test: bool, days: int | None) -> None:
    """Create an API key called NAME and print it, alone, on the last line.

    It is shown this once: Herald keeps only a fingerprint.
    """
    from app import clock
    from app.accounts import api_keys, audit
    from app.db import transaction

    chosen = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    with application(), transaction() as session:
        now = clock.now()
        ends = now + timedelta(days=days) if days else None
        made, secret = api_keys.create_key(session, name, chosen, test, None, now, ends)
        detail = {"scopes": list(made.scopes), "test": test}
        audit.record(session, actor(), "key.create", made.name, detail, now)
    click.echo(f"{'Test' if test else 'Live'} key {name!r} for: {', '.join(chosen)}.")
    click.echo(secret)


@key.command("list")
@click.option("--ended", is_flag=True, help="Those that no longer work.")
def list_keys(ended: bool) -> None:
    """List the keys that work; only the end of a key is known."""
    from app import clock, ids
    from app.accounts import api_keys
    from app.db import transaction

    with application(), transaction() as session:
        rows = api_keys.listed(session, not ended, "", clock.now())
        lines = [
            f"{ids.encode('key', row.id)}  {row.hint:<14} {','.join(row.scopes):<28} {row.name}"
            for row in rows
        ]
    click.echo("\n".join(lines) if lines else "There are none.")


@key.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """End the key with this ID (`herald key list` shows them). There is no way back."""
    from app import clock
    from app.accounts import api_keys, audit
    from app.db import transaction

    with application(), transaction() as session:
        now = clock.now()
        found = api_keys.by_public_id(session, key_id)
        api_keys.revoke_key(session, found.id, now)
        audit.record(session, actor(), "key.revoke", found.name, None, now)
    click.echo(f"The key {found.name!r} no longer works.")
