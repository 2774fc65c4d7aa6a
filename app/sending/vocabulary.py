"""How channels, providers, answers and reasons are called wherever people read of a message."""

from typing import Final

from app.sending.status import REASONS

CHANNEL_WORDS: Final = {
    "email": "e-mail",
    "sms": "SMS",
    "ios": "iOS push",
    "android": "Android push",
}
PROVIDERS: Final = {
    "sendgrid": "SendGrid",
    "smtp": "The mail server",
    "twilio": "Twilio",
    "apns": "Apple",
    "fcm": "Google",
}
# How an answer reads before the provider's name: "Attempt 1 refused by Twilio".
OUTCOMES: Final = {
    "accepted": "accepted by",
    "retry": "not taken by",
    "throttled": "put off by",
    "ambiguous": "not answered by",
    "recipient_dead": "refused by",
    "suppressed": "refused by",
    "rejected": "refused by",
    "config_error": "refused by",
}
# Channels that reach a device of a person, not an address.
PUSH: Final = ("ios", "android")
# Channels whose provider never says that a message arrived.
SILENT: Final = PUSH
# Why a provider gets no messages for a while, after its name (`ProviderAccount.cause`).
TROUBLES: Final = {
    "failing": "keeps failing",
    "silent": "does not answer",
    "throttled": "asked for a pause",
    "config": "refuses the account or its settings",
}
# A message held for one of these has been tried before.
RETRYING: Final = ("retry", "throttled", "provider_setup")
NOUNS: Final = {
    "email": "e-mail",
    "sms": "text message",
    "ios": "notification",
    "android": "notification",
}
PLACES: Final = {
    "email": "your mailbox",
    "sms": "your phone",
    "ios": "your iPhone or iPad",
    "android": "your Android device",
}


def provider_name(name: str | None) -> str:
    """What people call a provider, at the beginning of a sentence."""
    return PROVIDERS.get(name or "", (name or "The provider").capitalize())


def reason_sentence(reason: str | None, *, unconfirmed: bool = False) -> str:
    """The full sentence of a reason; empty for none. `unconfirmed`: an answer was lost before, so
    that nobody can say the message was never handed over.
    """
    if not reason:
        return ""
    if unconfirmed and reason in _NO_MORE:
        return _NO_MORE[reason]
    return REASONS.get(reason, reason.replace("_", " ").capitalize() + ".")


_NO_MORE: Final = {"expired": "Its time is over.", "cancelled": "It was cancelled."}
