"""An address that somebody typed to send a test to."""

from app.audience import addresses
from app.audience.devices import spelling
from app.errors import Invalid
from app.sending.requests import Recipient


def recipient(channel: str, typed: str) -> Recipient:
    """Whom an address of this channel stands for. Raises Invalid at `/to`."""
    if channel == "email":
        email = addresses.email(typed)
        if not email.ok:
            raise Invalid.one("/to", email.code, email.message)
        return Recipient(email=email.value)
    if channel == "sms":
        phone = addresses.phone(typed)
        if not phone.ok:
            raise Invalid.one("/to", phone.code, phone.message)
        return Recipient(phone=phone.value)
    if not 8 <= len(typed) <= 4096 or any(letter.isspace() for letter in typed):
        message = "Enter the push token of a device, without spaces."
        raise Invalid.one("/to", "invalid_format", message)
    return Recipient(device=(channel, spelling(channel, typed)))
