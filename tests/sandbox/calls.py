"""Calls to the sandbox as the providers' clients make them, by libcurl."""

import base64
import contextlib
import json
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import jwt
import pycurl

from app.sandbox import credentials
from tests.support.sandbox import SandboxHandle

DEVICE = "ab" * 32
ANDROID = "dGhpcy1pcy1hbi1hbmRyb2lkLXRva2Vu:APA91b"


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    version: int

    def json(self) -> Any:
        return json.loads(self.body)


def post(
    url: str, body: bytes | None, headers: dict[str, str], http2: bool = False, timeout: int = 10
) -> Response:
    """One call; raises pycurl.error when no whole answer comes."""
    out, lines = BytesIO(), []
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.TIMEOUT, timeout)
    curl.setopt(pycurl.WRITEFUNCTION, out.write)
    curl.setopt(pycurl.HEADERFUNCTION, lambda line: lines.append(line.decode().strip()))
    curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
    if body is not None:
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, body)
    if http2:
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    try:
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        version = curl.getinfo(pycurl.INFO_HTTP_VERSION)
    finally:
        curl.close()
    found = dict(line.split(": ", 1) for line in lines if ": " in line)
    return Response(status, {k.lower(): v for k, v in found.items()}, out.getvalue(), version)


def mail(*people: str, **changes: Any) -> dict[str, Any]:
    """A message to these people, one personalization each."""
    return {
        "personalizations": [
            {
                "to": [{"email": address}],
                "custom_args": {"nid": f"ntf_{at}", "att": "1"},
                "substitutions": {"-name-": address.split("@")[0]},
            }
            for at, address in enumerate(people)
        ],
        "from": {"email": "hello@herald.example", "name": "Herald"},
        "subject": "Good morning, -name-",
        "content": [
            {"type": "text/plain", "value": "Hello -name-"},
            {"type": "text/html", "value": "<p>Hello <b>-name-</b></p>"},
        ],
        **changes,
    }


def send_mail(sandbox: SandboxHandle, body: dict[str, Any], key: str = "") -> Response:
    headers = {
        "Authorization": f"Bearer {key or credentials.SENDGRID_API_KEY}",
        "Content-Type": "application/json",
    }
    return post(f"{sandbox.url}/sendgrid/v3/mail/send", json.dumps(body).encode(), headers)


def send_text(
    sandbox: SandboxHandle, to: str, token: str = credentials.TWILIO_AUTH_TOKEN, **changes: str
) -> Response:
    form = {
        "To": to,
        "From": credentials.TWILIO_FROM,
        "Body": "Your code is 1234",
        "StatusCallback": "http://127.0.0.1:9/hooks/twilio/status/ntf_1/1#rc=5&rp=all",
        **changes,
    }
    account = credentials.TWILIO_ACCOUNT_SID
    url = f"{sandbox.url}/twilio/2010-04-01/Accounts/{account}/Messages.json"
    return _with_basic(url, urlencode(form).encode(), f"{account}:{token}")


def _with_basic(url: str, body: bytes, pair: str) -> Response:
    basic = base64.b64encode(pair.encode()).decode()
    return post(
        url,
        body,
        {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )


def apns_token(sandbox: SandboxHandle, age: int = 0, **changes: str) -> str:
    claims = {"iss": credentials.APNS_TEAM_ID, "iat": int(time.time()) - age, **changes}
    key = sandbox.credentials()["apns_key"]
    return jwt.encode(claims, key, "ES256", {"kid": credentials.APNS_KEY_ID})


def send_ios(
    sandbox: SandboxHandle,
    device: str = DEVICE,
    payload: dict[str, Any] | None = None,
    door: str = "apns",
    **headers: str,
) -> Response:
    """Keyword arguments replace headers, `_` standing for `-`; an empty value takes one away."""
    sent = {
        "authorization": f"bearer {apns_token(sandbox)}",
        "apns-topic": credentials.APNS_TOPIC,
        "apns-push-type": "alert",
        "apns-collapse-id": "ntf_1",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    body = json.dumps(payload or {"aps": {"alert": {"title": "Hello", "body": "There"}}})
    wanted = {name: value for name, value in sent.items() if value}
    return post(f"{sandbox.url}/{door}/3/device/{device}", body.encode(), wanted, http2=True)


def access_token(sandbox: SandboxHandle, **changes: Any) -> Response:
    account = json.loads(sandbox.credentials()["fcm_service_account"])
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, account["private_key"], "RS256"),
    }
    return post(account["token_uri"], urlencode(form).encode(), {})


def send_android(
    sandbox: SandboxHandle, message: dict[str, Any], bearer: str = "", project: str = ""
) -> Response:
    bearer = bearer or access_token(sandbox).json()["access_token"]
    project = project or credentials.FCM_PROJECT
    return post(
        f"{sandbox.url}/fcm/v1/projects/{project}/messages:send",
        json.dumps({"message": message}).encode(),
        {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
        http2=True,
    )


def push(token: str = ANDROID, **changes: Any) -> dict[str, Any]:
    return {
        "token": token,
        "notification": {"title": "Hello", "body": "There"},
        "data": {"nid": "ntf_1"},
        "android": {"priority": "HIGH", "ttl": "3600s", "notification": {"tag": "ntf_1"}},
        **changes,
    }


class Pushes:
    """Pushes to iOS over one kept-open connection."""

    def __init__(self, sandbox: SandboxHandle) -> None:
        self._url = f"{sandbox.url}/apns/3/device/"
        self._curl = pycurl.Curl()
        headers = [
            f"authorization: bearer {apns_token(sandbox)}",
            f"apns-topic: {credentials.APNS_TOPIC}",
            "apns-push-type: alert",
        ]
        self._curl.setopt(pycurl.HTTPHEADER, headers)
        self._curl.setopt(pycurl.POSTFIELDS, json.dumps({"aps": {"alert": "Hello"}}))
        self._curl.setopt(pycurl.TIMEOUT, 10)
        self._curl.setopt(pycurl.WRITEFUNCTION, len)
        version = pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
        self._curl.setopt(pycurl.HTTP_VERSION, version)

    def send(self, device: str, may_fail: bool = False) -> int:
        """The status; 0 when there was none and that may be."""
        self._curl.setopt(pycurl.URL, self._url + device)
        try:
            self._curl.perform()
        except pycurl.error:
            if not may_fail:
                raise
            return 0
        return int(self._curl.getinfo(pycurl.RESPONSE_CODE))

    def close(self) -> None:
        self._curl.close()


def push_handle(sandbox: SandboxHandle) -> contextlib.closing[Pushes]:
    return contextlib.closing(Pushes(sandbox))
