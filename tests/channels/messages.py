"""Messages for tests, and a way to send them and keep the results in order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.channels.base import (
    EmailMessage,
    EmailShell,
    Message,
    Provider,
    PushMessage,
    Result,
    SmsMessage,
)

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


def frozen_now() -> datetime:
    return NOW


def send(provider: Provider, *messages: Message) -> list[Result]:
    """The result of each message; fails when one has none or two."""
    results: dict[int, Result] = {}

    def on_result(place: int, result: Result) -> None:
        assert place not in results, "a message had two results"
        results[place] = result

    provider.send(messages, on_result)
    return [results[place] for place in range(len(messages))]


def email(number: int = 1, **changes: Any) -> EmailMessage:
    message = EmailMessage(
        ref=f"ntf_{number:013}",
        attempt=1,
        to=f"person{number}@example.com",
        to_name="Ada Lovelace",
        from_email="hello@herald.example",
        from_name="Herald",
        reply_to="",
        subject="Hello",
        html="<p>Hello</p>",
        text="Hello",
    )
    return replace(message, **changes)


def shell_emails(
    count: int, shell: EmailShell | None = None, **changes: Any
) -> Sequence[EmailMessage]:
    shell = shell or EmailShell("Hello -s0-", "<p>Hello -s0-</p>", "Hello -s0-")
    return [
        email(
            number,
            subject="",
            html="",
            text="",
            shell=shell,
            substitutions={"-s0-": f"Person {number}"},
            **changes,
        )
        for number in range(1, count + 1)
    ]


def attempted(results: Sequence[Result]) -> list[Result]:
    """Those whose message was begun; the others were left alone and cost no try."""
    assert all(result.code == "not_attempted" for result in results if not result.attempted)
    return [result for result in results if result.attempted]


def sms(number: int = 1, **changes: Any) -> SmsMessage:
    message = SmsMessage(f"ntf_{number:013}", 1, f"+1555010{number:04}", "Your code is 123456")
    return replace(message, **changes)


def push(number: int = 1, **changes: Any) -> PushMessage:
    message = PushMessage(
        ref=f"ntf_{number:013}",
        attempt=1,
        token=f"{number:064x}",
        platform="ios",
        environment="production",
        app="",
        title="Sale",
        body="Everything must go",
    )
    return replace(message, **changes)
