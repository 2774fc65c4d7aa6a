"""The application with provider keys that these tests can sign with."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
import redis
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.db import db
from app.factory import create_app
from app.hooks.context import buffer, tokens
from app.settings import ProviderSettings, Settings
from app.tracking.tokens import Tokens
from tests.support import messages
from tests.support.database import Database
from tests.support.messages import World

TOKEN = "12345"
SANDBOX_TOKEN = "the sandbox's token is no secret"


@dataclass
class SendGridKey:
    """A key pair as SendGrid shows it: the public half is base64 SPKI."""

    private: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> str:
        raw = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(raw).decode()

    def sign(self, body: bytes, timestamp: str) -> dict[str, str]:
        """The two headers of a signed webhook."""
        raw = self.private.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(raw).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }


@pytest.fixture(scope="session")
def sendgrid_keys() -> list[SendGridKey]:
    """The old key, the new key, and the sandbox's."""
    return [SendGridKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(3)]


@pytest.fixture(scope="session")
def built_app(settings: Settings, sendgrid_keys: list[SendGridKey]) -> Iterator[Flask]:
    """As in production: real providers, and a sandbox beside them for test keys."""
    old, new, sandbox = (key.public for key in sendgrid_keys)
    told = replace(
        settings,
        providers=ProviderSettings(
            sendgrid_webhook_keys=("not base64!", old, new),
            twilio_auth_token=TOKEN,
            twilio_webhook_tokens=("the old token",),
        ),
        sandbox=ProviderSettings(sendgrid_webhook_keys=(sandbox,), twilio_auth_token=SANDBOX_TOKEN),
    )
    app = create_app(told)
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(built_app: Flask, database: Database, valkey: "redis.Redis") -> Iterator[Flask]:
    """The application, empty; what it collected is written before the next test."""
    yield built_app
    with built_app.app_context():
        buffer().flush()
        db.session.remove()
        db.engine.dispose()  # other tests copy the database, which must be alone then


@pytest.fixture
def world(session: Session, now: datetime) -> World:
    """Rows that requests can see once they are committed."""
    return messages.world(session, now)


@pytest.fixture
def signers(app: Flask) -> Tokens:
    """What signs the links in messages."""
    with app.app_context():
        return tokens()


@pytest.fixture
def flush(app: Flask) -> Callable[[], None]:
    """Write what was collected, now."""

    def write() -> None:
        with app.app_context():
            buffer().flush()

    return write


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A caller without cookies."""
    return app.test_client(use_cookies=False)
