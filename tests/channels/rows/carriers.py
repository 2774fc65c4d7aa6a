"""The real adapters against the sandbox: at its front door, or at the gate where wires break."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app import clock
from app.channels.apns import ApnsConfig, ApnsProvider
from app.channels.base import Message, Outcome, Provider, Result
from app.channels.fcm import FcmConfig, FcmProvider
from app.channels.sendgrid import SendGridConfig, SendGridProvider
from app.channels.smtp import SmtpConfig, SmtpProvider
from app.channels.twilio import TwilioConfig, TwilioProvider
from tests.channels.messages import email, push, sms
from tests.support.sandbox import SandboxHandle

ACCEPTED, RETRY, THROTTLED = Outcome.ACCEPTED, Outcome.RETRY, Outcome.THROTTLED
AMBIGUOUS, DEAD, SUPPRESSED = Outcome.AMBIGUOUS, Outcome.RECIPIENT_DEAD, Outcome.SUPPRESSED
REJECTED, CONFIG = Outcome.REJECTED, Outcome.CONFIG_ERROR

ANDROID = "t" * 150
PHONE = "+15005551234"
SAMPLES: dict[str, Message] = {
    "sendgrid": email(),
    "smtp": email(),
    "twilio": sms(to=PHONE),
    "apns": push(),
    "fcm": push(platform="android", token=ANDROID),
}
HTTP = ("sendgrid", "twilio", "apns", "fcm")
Now = Callable[[], datetime]


@dataclass(frozen=True)
class Expected:
    """What a row of the contract says: a script for the sandbox, and what must come of it."""

    row: str
    answer: dict[str, Any]
    outcome: Outcome
    code: str
    scope: str = "message"
    concern: str | None = None

    def check(self, result: Result) -> None:
        assert (result.outcome, result.scope, result.code) == (self.outcome, self.scope, self.code)
        assert result.concern == self.concern
        assert result.detail or result.outcome is ACCEPTED
        assert "@" not in result.detail
        assert PHONE not in result.detail


def ids(rows: list[Expected]) -> list[str]:
    return [f"{row.row} -> {row.outcome}" for row in rows]


def carrier(
    name: str, sandbox: SandboxHandle, base: str = "", deadline_s: float = 5.0, now: Now = clock.now
) -> Provider:
    """An adapter for the sandbox; `base` is another address than its front door."""
    found, base = sandbox.credentials(), base or sandbox.url
    if name == "sendgrid":
        config = SendGridConfig(found["sendgrid_api_key"], f"{base}/sendgrid", 8, deadline_s)
        return SendGridProvider(config, now)
    if name == "twilio":
        return TwilioProvider(
            TwilioConfig(
                found["twilio_account_sid"],
                found["twilio_auth_token"],
                sender=found["twilio_from"],
                callback_base="http://herald.test",
                base_url=f"{base}/twilio",
                deadline_s=deadline_s,
            ),
            now,
        )
    if name == "apns":
        return ApnsProvider(
            ApnsConfig(
                found["apns_key"],
                found["apns_key_id"],
                found["apns_team_id"],
                found["apns_topic"],
                base_url=f"{base}/apns",
                sandbox_url=f"{base}/apns-sandbox",
                deadline_s=deadline_s,
            ),
            now,
        )
    if name == "fcm":
        config = FcmConfig(found["fcm_service_account"], f"{base}/fcm", deadline_s=deadline_s)
        return FcmProvider(config, now)
    return SmtpProvider(SmtpConfig(base if "smtp" in base else found["smtp_url"]), now)


def fcm_account(sandbox: SandboxHandle, **changes: str) -> str:
    """The key file, with something wrong in it."""
    return json.dumps({**json.loads(sandbox.credentials()["fcm_service_account"]), **changes})


def seconds_until(result: Result) -> float:
    """How long from now the result asks to wait."""
    assert result.not_before is not None
    return (result.not_before - datetime.now(UTC)).total_seconds()
