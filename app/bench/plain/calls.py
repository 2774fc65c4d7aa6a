"""One call per message with each provider's SDK, pointed at the sandbox.

SendGrid, Twilio and Firebase: the vendors' own libraries. Apple has none for Python; the usual way
is an HTTP/2 client that keeps one connection, here httpx. SMTP: smtplib, one open session per
thread.
"""

import smtplib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import firebase_admin
import google.oauth2.credentials
import httpx
import jwt
import orjson
from firebase_admin import credentials, messaging
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from app.settings import ProviderSettings

SENDER: Final = "news@example.com"
_TOKEN_SECONDS: Final = 3000


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered message; `title` is the subject of an e-mail."""

    to: str
    title: str
    body: str
    app: str = ""


Call = Callable[[Letter], str]


def make(provider: str, settings: ProviderSettings) -> Call:
    """A function that hands one message over and answers the provider's id for it."""
    return _MAKERS[provider](settings)


def _sendgrid(settings: ProviderSettings) -> Call:
    client = SendGridAPIClient(settings.sendgrid_api_key, host=settings.sendgrid_url)

    def send(letter: Letter) -> str:
        mail = Mail(
            from_email=SENDER,
            to_emails=letter.to,
            subject=letter.title,
            html_content=letter.body,
        )
        return str(client.send(mail).headers["X-Message-Id"])

    return send


def _twilio(settings: ProviderSettings) -> Call:
    client = Client(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        http_client=TwilioHttpClient(pool_connections=True),
    )
    client.api.base_url = settings.twilio_url

    def send(letter: Letter) -> str:
        made = client.messages.create(to=letter.to, from_=settings.twilio_from, body=letter.body)
        return str(made.sid)

    return send


def _fcm(settings: ProviderSettings) -> Call:
    # The SDK has no setting for the address.
    service: Any = messaging._MessagingService
    service.FCM_URL = settings.fcm_url + "/v1/projects/{0}/messages:send"
    account = orjson.loads(settings.fcm_service_account)
    options = {"projectId": account["project_id"]}
    app = firebase_admin.initialize_app(_AccessToken(account), options, name="plain")

    def send(letter: Letter) -> str:
        words = messaging.Notification(title=letter.title, body=letter.body)
        message = messaging.Message(token=letter.to, notification=words)
        return str(messaging.send(message, app=app))

    return send


class _AccessToken(credentials.Base):  # type: ignore[misc]
    """A token that is fetched once. Google's own library signs for Google's address only."""

    def __init__(self, account: Mapping[str, str]) -> None:
        super().__init__()
        now = int(time.time())
        claims = {
            "iss": account["client_email"],
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": account["token_uri"],
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
        }
        grant = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, account["private_key"], "RS256"),
        }
        answer = httpx.post(account["token_uri"], data=grant)
        answer.raise_for_status()
        self._token = answer.json()["access_token"]

    def get_credential(self) -> google.oauth2.credentials.Credentials:
        """See credentials.Base."""
        return google.oauth2.credentials.Credentials(self._token)  # type: ignore[no-untyped-call]


def _apns(settings: ProviderSettings) -> Call:
    token = _ApnsToken(settings)
    own = threading.local()

    def client() -> httpx.Client:
        # One for each thread: of calls that threads make on a shared one, a hundredth fails.
        if not hasattr(own, "client"):
            own.client = httpx.Client(http1=False, http2=True, timeout=10)
        found: httpx.Client = own.client
        return found

    def send(letter: Letter) -> str:
        answer = client().post(
            f"{settings.apns_url}/3/device/{letter.to}",
            json={"aps": {"alert": {"title": letter.title, "body": letter.body}}},
            headers={
                "authorization": f"bearer {token.current()}",
                "apns-topic": letter.app,
                "apns-push-type": "alert",
                "apns-priority": "10",
            },
        )
        answer.raise_for_status()
        return answer.headers["apns-id"]

    return send


class _ApnsToken:
    """Apple wants the same token for 20 to 60 minutes."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._made = float("-inf")
        self._value = ""

    def current(self) -> str:
        with self._lock:
            if time.monotonic() - self._made > _TOKEN_SECONDS:
                claims = {"iss": self._settings.apns_team_id, "iat": int(time.time())}
                head = {"kid": self._settings.apns_key_id}
                self._value = jwt.encode(claims, self._settings.apns_key, "ES256", headers=head)
                self._made = time.monotonic()
            return self._value


def _smtp(settings: ProviderSettings) -> Call:
    url = urlsplit(settings.smtp_url)
    own = threading.local()

    def session() -> smtplib.SMTP:
        if not hasattr(own, "session"):
            opened = smtplib.SMTP(url.hostname or "", url.port or 25, timeout=30)
            opened.login(unquote(url.username or ""), unquote(url.password or ""))
            own.session = opened
        found: smtplib.SMTP = own.session
        return found

    def send(letter: Letter) -> str:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = SENDER, letter.to, letter.title
        mail.set_content("Please read this message as HTML.")
        mail.add_alternative(letter.body, subtype="html")
        session().send_message(mail)
        return ""

    return send


_MAKERS: Final[dict[str, Callable[[ProviderSettings], Call]]] = {
    "sendgrid": _sendgrid,
    "smtp": _smtp,
    "twilio": _twilio,
    "apns": _apns,
    "fcm": _fcm,
}
