"""Who carries which channel: a real provider, the sandbox, or nobody yet."""

from dataclasses import dataclass
from typing import Final

from app.settings import Settings

CHANNELS: Final = ("email", "sms", "ios", "android")
_PROVIDER: Final = {"sms": "twilio", "ios": "apns", "android": "fcm"}
# The setting that decides whether a provider is there, and its base address.
_SETTINGS: Final = {
    "sendgrid": ("sendgrid_api_key", "sendgrid_url"),
    "smtp": ("smtp_url", "smtp_url"),
    "twilio": ("twilio_account_sid", "twilio_url"),
    "apns": ("apns_key", "apns_url"),
    "fcm": ("fcm_service_account", "fcm_url"),
}


@dataclass(frozen=True, slots=True)
class Carrier:
    """A provider of a channel. `sandbox`: nothing leaves the machine. `variable` configures it.

    `place` is its turn: 0 is asked first, the next steps in while it fails.
    """

    channel: str
    provider: str
    configured: bool
    sandbox: bool
    variable: str
    host: str
    place: int = 0


def carriers(settings: Settings) -> list[Carrier]:
    """One per channel and provider, in the order of the console and of their turns."""
    return [
        _carrier(settings, channel, provider, place)
        for channel in CHANNELS
        for place, provider in enumerate(_providers(settings, channel))
    ]


def carrier(settings: Settings, channel: str) -> Carrier:
    """The first provider of one channel. Raises KeyError for any other word."""
    return _carrier(settings, channel, _providers(settings, channel)[0], 0)


def _providers(settings: Settings, channel: str) -> list[str]:
    if channel != "email":
        return [_PROVIDER[channel]]
    chosen = (settings.providers.email_provider, settings.providers.email_second)
    return [name for name in chosen if name]


def _carrier(settings: Settings, channel: str, provider: str, place: int) -> Carrier:
    credential, address = _SETTINGS[provider]
    value = getattr(settings.providers, credential)
    return Carrier(
        channel=channel,
        provider=provider,
        configured=bool(value),
        sandbox=bool(value) and value == getattr(settings.sandbox, credential),
        variable=credential.upper(),
        host=_host(getattr(settings.providers, address)),
        place=place,
    )


def _host(url: str) -> str:
    """Host and port without anything secret: `smtp://user:pass@mail:25` -> `mail:25`."""
    return url.partition("://")[2].rpartition("@")[2].partition("/")[0]
