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
    """One channel's provider. `sandbox`: nothing leaves the machine. `variable` configures it."""

    channel: str
    provider: str
    configured: bool
    sandbox: bool
    variable: str
    host: str


def carriers(settings: Settings) -> list[Carrier]:
    """One per channel, in the order of the console."""
    return [carrier(settings, channel) for channel in CHANNELS]


def carrier(settings: Settings, channel: str) -> Carrier:
    """The provider of one channel. Raises KeyError for any other word."""
    email = channel == "email"
    provider = settings.providers.email_provider if email else _PROVIDER[channel]
    credential, address = _SETTINGS[provider]
    value = getattr(settings.providers, credential)
    return Carrier(
        channel=channel,
        provider=provider,
        configured=bool(value),
        sandbox=bool(value) and value == getattr(settings.sandbox, credential),
        variable=credential.upper(),
        host=_host(getattr(settings.providers, address)),
    )


def _host(url: str) -> str:
    """Host and port without anything secret: `smtp://user:pass@mail:25` -> `mail:25`."""
    return url.partition("://")[2].rpartition("@")[2].partition("/")[0]
