"""`herald send`: one message, by its template."""

import json
import secrets
from typing import TYPE_CHECKING, Any

import click

from app.cli.running import actor, application

if TYPE_CHECKING:
    from app.sending.requests import Recipient

CHANNELS = ("email", "sms", "ios", "android")


@click.command()
@click.argument("template")
@click.option("--person", metavar="ID", help="Somebody Herald knows, by your own id.")
@click.option("--email", metavar="ADDRESS", help="An e-mail address.")
@click.option("--phone", metavar="NUMBER", help="A phone number with its country code.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    type=click.Choice(CHANNELS),
    help="Only on this channel; may be repeated. Without it: all the template has content for.",
)
@click.option(
    "--data",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Something the template needs; may be repeated. VALUE may be JSON.",
)
@click.option("--test", is_flag=True, help="To the sandbox only, whatever is configured.")
def send(
    template: str,
    person: str | None,
    email: str | None,
    phone: str | None,
    channels: tuple[str, ...],
    pairs: tuple[str, ...],
    test: bool,
) -> None:
    """Send one message to one recipient.

    TEMPLATE is the key of a published template. Preferences, suppressions and caps apply as to
    every message. Prints a line per message: its id, channel and status.

    Example: herald send welcome --email ada@example.com --data name=Ada
    """
    from app import clock
    from app.accounts import audit
    from app.db import transaction
    from app.errors import Invalid
    from app.sending.accept import accept
    from app.sending.requests import Caller, SendRequest

    request = SendRequest(
        to=_recipient(person, email, phone),
        template=template,
        channels=channels or None,
        data=dict(_pair(text) for text in pairs),
    )
    caller = Caller("console", f"req_{secrets.token_hex(12)}", test=test)
    with application(), transaction() as session:
        now = clock.now()
        answer = accept(session, [request], caller, now)[0]
        if isinstance(answer, Invalid):
            raise answer
        ids = [message.public_id for message in answer.messages]
        audit.record(session, actor(), "message.send", template, {"messages": ids}, now)
    for message in answer.messages:
        click.echo(
            f"{message.public_id}  {message.channel:<8} {message.status:<9} {message.reason or ''}"
        )


def _recipient(person: str | None, email: str | None, phone: str | None) -> "Recipient":
    from app.sending.requests import Recipient

    if sum(value is not None for value in (person, email, phone)) != 1:
        raise click.UsageError("Say to whom, with one of --person, --email and --phone.")
    return Recipient(external_id=person, email=email, phone=phone)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--data takes NAME=VALUE, not {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
