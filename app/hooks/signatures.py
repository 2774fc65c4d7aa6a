"""Did the provider send this? The providers' own libraries decide; garbage is a plain no.

Several keys may be valid at once (rotation). A webhook that only the sandbox's key fits, while a
real provider is configured, comes from a test: it may speak of test messages only.
"""

import binascii
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator, get_signature_algorithm
from werkzeug.datastructures import Headers

from app.settings import ProviderSettings, Settings

Signer = Literal["provider", "sandbox"]

SENDGRID_SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
SENDGRID_TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
TWILIO_SIGNATURE: Final = "X-Twilio-Signature"
TWILIO_SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"

# SendGrid repeats for 24 hours with the first timestamp: a window of minutes would refuse those.
OLDEST: Final = timedelta(hours=25)
AHEAD: Final = timedelta(minutes=5)


def sendgrid(settings: Settings, headers: Headers, body: bytes, now: datetime) -> Signer | None:
    """Who signed an event webhook, or None: nobody we know, or too long ago."""
    signature, timestamp = headers.get(SENDGRID_SIGNATURE, ""), headers.get(SENDGRID_TIMESTAMP, "")
    if not signature or not _is_fresh(timestamp, now):
        return None
    try:
        payload = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    for signer, provider in _signers(settings):
        if _any_key_fits(provider.sendgrid_webhook_keys, payload, signature, timestamp):
            return signer
    return None


def twilio(settings: Settings, url: str, parameters: Any, headers: Headers) -> Signer | None:
    """Who signed a callback. `url` as Twilio called it, rebuilt from our own public address.

    `parameters` is the form's MultiDict, or the raw text of a JSON body.
    """
    signature = headers.get(TWILIO_SIGNATURE, "")
    algorithm = get_signature_algorithm(headers.get(TWILIO_SETTINGS, ""))
    if not signature:
        return None
    for signer, provider in _signers(settings):
        for token in (provider.twilio_auth_token, *provider.twilio_webhook_tokens):
            validator = RequestValidator(token)
            if token and validator.validate(url, parameters, signature, algorithm):
                return signer
    return None


def _signers(settings: Settings) -> Iterable[tuple[Signer, ProviderSettings]]:
    """The real providers first: what their keys fit is not from the sandbox."""
    return (("provider", settings.providers), ("sandbox", settings.sandbox))


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    sent = datetime.fromtimestamp(int(timestamp), now.tzinfo)
    return now - OLDEST <= sent <= now + AHEAD


def _any_key_fits(keys: Iterable[str], payload: str, signature: str, timestamp: str) -> bool:
    return any(_key_fits(key, payload, signature, timestamp) for key in keys)


def _key_fits(key: str, payload: str, signature: str, timestamp: str) -> bool:
    try:
        return bool(EventWebhook(key).verify_signature(payload, signature, timestamp))
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm, AttributeError):
        return False
