"""Which provider serves which channel, made from the settings once per process."""

import threading
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from app.channels.apns import ApnsConfig, ApnsProvider
from app.channels.base import Provider
from app.channels.carriers import CHANNELS
from app.channels.fcm import FcmConfig, FcmProvider
from app.channels.sendgrid import SendGridConfig, SendGridProvider
from app.channels.smtp import SmtpConfig, SmtpProvider
from app.channels.twilio import TwilioConfig, TwilioProvider
from app.channels.unconfigured import Unconfigured
from app.settings import EMAIL_PROVIDERS, ProviderSettings, Settings

Maker = Callable[[ProviderSettings, Settings], Provider]


class Registry:
    """The providers of this process. Safe for threads; keep one per process, not per call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._providers: dict[tuple[str, bool], Provider] = {}

    def route(self, channel: str, test: bool = False) -> Sequence[str]:
        """Names of the providers of email, sms, ios or android, the first choice first.

        Raises KeyError for any other word. A test goes to the sandbox only, by the first choice.
        """
        if channel != "email":
            return (_ADAPTERS[channel],)
        credentials = self._settings.providers
        chosen = (credentials.email_provider, credentials.email_second)
        return tuple(name for name in (chosen[:1] if test else chosen) if name)

    def provider(self, channel: str, test: bool = False) -> Provider:
        """The first choice of a channel. Raises KeyError for any other word."""
        return self.named(self.route(channel, test)[0], test)

    def channels(self, provider: str) -> list[str]:
        """The channels that a provider may carry."""
        return [channel for channel in CHANNELS if provider in self.route(channel)]

    def named(self, provider: str, test: bool = False) -> Provider:
        """The adapter of this name; with `test` always the sandbox's. Raises KeyError."""
        with self._lock:
            if (provider, test) not in self._providers:
                self._providers[provider, test] = self._make(provider, test)
            return self._providers[provider, test]

    def mailers(self) -> list[Provider]:
        """E-mail's provider, then the other way to send mail if there is one.

        The sandbox never steps in for a real provider: nobody reads what it takes.
        """
        providers, sandbox = self._settings.providers, self._settings.sandbox
        first = providers.email_provider

        def real(adapter: str) -> bool:
            given = getattr(providers, _CREDENTIAL[adapter])
            return given not in ("", getattr(sandbox, _CREDENTIAL[adapter]))

        second = next(name for name in EMAIL_PROVIDERS if name != first)
        chosen = (first, second) if real(first) == real(second) else (first,)
        return [self.named(adapter) for adapter in chosen]

    def _make(self, adapter: str, test: bool) -> Provider:
        credentials = self._settings.sandbox if test else self._settings.providers
        if not getattr(credentials, _CREDENTIAL[adapter]):
            return Unconfigured(adapter)
        return _MAKERS[adapter](credentials, self._settings)


def _sendgrid(credentials: ProviderSettings, _settings: Settings) -> Provider:
    return SendGridProvider(SendGridConfig(credentials.sendgrid_api_key, credentials.sendgrid_url))


def _smtp(credentials: ProviderSettings, settings: Settings) -> Provider:
    return SmtpProvider(SmtpConfig(credentials.smtp_url, _hello(settings.public_url)))


def _twilio(credentials: ProviderSettings, settings: Settings) -> Provider:
    return TwilioProvider(
        TwilioConfig(
            account_sid=credentials.twilio_account_sid,
            auth_token=credentials.twilio_auth_token,
            sender=credentials.twilio_from,
            messaging_service_sid=credentials.twilio_messaging_service_sid,
            callback_base=settings.public_url,
            base_url=credentials.twilio_url,
        )
    )


def _apns(credentials: ProviderSettings, _settings: Settings) -> Provider:
    return ApnsProvider(
        ApnsConfig(
            key=credentials.apns_key,
            key_id=credentials.apns_key_id,
            team_id=credentials.apns_team_id,
            topic=credentials.apns_topic,
            base_url=credentials.apns_url,
            sandbox_url=credentials.apns_sandbox_url,
        )
    )


def _fcm(credentials: ProviderSettings, _settings: Settings) -> Provider:
    return FcmProvider(FcmConfig(credentials.fcm_service_account, credentials.fcm_url))


def _hello(public_url: str) -> str:
    """A relay may want a full host name in EHLO; a bare address has to stand in brackets."""
    host = urlsplit(public_url).hostname or ""
    if host.replace(".", "").isdigit():
        return f"[{host}]"
    return host if "." in host else "localhost.localdomain"


_ADAPTERS: Final = {"sms": "twilio", "ios": "apns", "android": "fcm"}
# The setting without which a provider would only be asked in vain.
_CREDENTIAL: Final = {
    "sendgrid": "sendgrid_api_key",
    "smtp": "smtp_url",
    "twilio": "twilio_account_sid",
    "apns": "apns_key",
    "fcm": "fcm_service_account",
}
_MAKERS: Final[dict[str, Maker]] = {
    "sendgrid": _sendgrid,
    "smtp": _smtp,
    "twilio": _twilio,
    "apns": _apns,
    "fcm": _fcm,
}
