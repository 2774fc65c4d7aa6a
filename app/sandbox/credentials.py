"""The sandbox's own credentials: constants, and keys that are made once and kept.

`credentials.json` holds everything a program needs to talk to the sandbox, under the names of the
settings in lower case (`sendgrid_api_key`, `apns_url`, ...).
"""

import base64
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SENDGRID_API_KEY: Final = "SG.sandbox.not-a-real-key"
TWILIO_ACCOUNT_SID: Final = "AC" + "5a" * 16
TWILIO_AUTH_TOKEN: Final = "5a4db0" + "0" * 26
TWILIO_FROM: Final = "+15005550006"
TWILIO_MESSAGING_SERVICE_SID: Final = "MG" + "5a" * 16
APNS_KEY_ID: Final = "SANDBOXKEY"
APNS_TEAM_ID: Final = "SANDBOXTEA"
APNS_TOPIC: Final = "example.herald.app"
FCM_PROJECT: Final = "herald-sandbox"
FCM_CLIENT_EMAIL: Final = f"sender@{FCM_PROJECT}.iam.gserviceaccount.com"
SMTP_USER: Final = "sandbox"
SMTP_PASSWORD: Final = "not-a-real-password"

PrivateKeyT = TypeVar("PrivateKeyT", ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)

_PEM: Final = serialization.Encoding.PEM
_PKCS8: Final = serialization.PrivateFormat.PKCS8
_PLAIN: Final = serialization.NoEncryption()


@dataclass(frozen=True, slots=True)
class Keys:
    """What the sandbox verifies and signs with."""

    apns: ec.EllipticCurvePrivateKey
    fcm: rsa.RSAPrivateKey
    webhook: ec.EllipticCurvePrivateKey
    token_secret: bytes

    def apns_pem(self) -> str:
        """The .p8 file as Apple hands it out."""
        return self.apns.private_bytes(_PEM, _PKCS8, _PLAIN).decode()

    def webhook_spki(self) -> str:
        """The verification key as SendGrid shows it: base64 of DER, without PEM lines."""
        der = self.webhook.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()


def load_keys(folder: Path) -> Keys:
    """The kept keys of this folder, made at the first call. Only their owner may read them."""
    folder.mkdir(parents=True, exist_ok=True)
    apns = _private_key(folder / "apns.p8", _elliptic)
    webhook = _private_key(folder / "sendgrid-webhook.pem", _elliptic)
    fcm = _private_key(folder / "fcm.pem", lambda: rsa.generate_private_key(65537, 2048))
    secret = folder / "oauth-secret"
    if not secret.exists():
        _write(secret, secrets.token_hex(32))
    return Keys(apns, fcm, webhook, secret.read_bytes())


def token_uri(url: str) -> str:
    """Where an access token for FCM is asked for."""
    return f"{url}/fcm/token"


def service_account(keys: Keys, url: str) -> dict[str, str]:
    """The key file as Google hands it out, with this sandbox as its token endpoint."""
    return {
        "type": "service_account",
        "project_id": FCM_PROJECT,
        "private_key_id": "sandbox",
        "private_key": keys.fcm.private_bytes(_PEM, _PKCS8, _PLAIN).decode(),
        "client_email": FCM_CLIENT_EMAIL,
        "client_id": "100000000000000000000",
        "token_uri": token_uri(url),
    }


def publish(folder: Path, keys: Keys, url: str, gate_url: str, smtp_port: int) -> Path:
    """Write `credentials.json` for a sandbox at this address, in one step."""
    account = service_account(keys, url)
    host = url.split("://", 1)[1].rsplit(":", 1)[0]
    values: dict[str, object] = {
        "sandbox_url": url,
        "gate_url": gate_url,
        "sendgrid_api_key": SENDGRID_API_KEY,
        "sendgrid_url": f"{url}/sendgrid",
        "sendgrid_webhook_keys": [keys.webhook_spki()],
        "twilio_account_sid": TWILIO_ACCOUNT_SID,
        "twilio_auth_token": TWILIO_AUTH_TOKEN,
        "twilio_from": TWILIO_FROM,
        "twilio_url": f"{url}/twilio",
        "apns_key": keys.apns_pem(),
        "apns_key_id": APNS_KEY_ID,
        "apns_team_id": APNS_TEAM_ID,
        "apns_topic": APNS_TOPIC,
        "apns_url": f"{url}/apns",
        "apns_sandbox_url": f"{url}/apns-sandbox",
        "fcm_service_account": json.dumps(account),
        "fcm_url": f"{url}/fcm",
        "smtp_url": f"smtp://{SMTP_USER}:{SMTP_PASSWORD}@{host}:{smtp_port}",
    }
    _write(folder / "fcm.json", json.dumps(account, indent=2))
    path = folder / "credentials.json"
    _write(path, json.dumps(values, indent=2) + "\n")
    return path


def _elliptic() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _private_key(path: Path, make: Callable[[], PrivateKeyT]) -> PrivateKeyT:
    if not path.exists():
        _write(path, make().private_bytes(_PEM, _PKCS8, _PLAIN).decode())
    return cast(PrivateKeyT, serialization.load_pem_private_key(path.read_bytes(), password=None))


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(path.suffix + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
