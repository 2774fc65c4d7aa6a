"""Google's OAuth 2 token endpoint: a signed assertion in, an access token out (RFC 7523).

Access tokens carry their own end and a MAC, so that they outlive a restart of the sandbox.
"""

import hashlib
import hmac
import time
from typing import Final
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from app.sandbox import credentials
from app.sandbox.wire import Answer, Request, json_answer

LIFETIME_S: Final = 3600
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPES: Final = frozenset(
    {
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    }
)
_SKEW_S: Final = 300


class TokenDesk:
    """Issues and recognises access tokens."""

    def __init__(self, key: rsa.RSAPublicKey, secret: bytes, audience: str) -> None:
        self._key = key
        self._secret = secret
        self._audience = audience
        self._known: dict[int, str] = {}  # one token is shown with thousands of messages

    def answer(self, request: Request) -> Answer:
        """What the token endpoint says to this request."""
        if request.method != "POST":
            return json_answer(405, {"error": "invalid_request"})
        form = parse_qs(request.body.decode("latin-1"))
        if form.get("grant_type", [""])[0] != _GRANT:
            return _error("unsupported_grant_type", "Invalid grant_type")
        complaint = self._complaint(form.get("assertion", [""])[0])
        if complaint:
            return _error("invalid_grant", complaint)
        token = self._token(int(time.time()) + LIFETIME_S)
        return json_answer(
            200, {"access_token": token, "expires_in": LIFETIME_S - 1, "token_type": "Bearer"}
        )

    def is_valid(self, authorization: str) -> bool:
        """Whether an Authorization header carries a token of ours that has not ended."""
        scheme, _, token = authorization.partition(" ")
        end = token.split(".")[1] if token.count(".") == 2 else ""
        if scheme.lower() != "bearer" or not (end.isascii() and end.isdigit()):
            return False
        return hmac.compare_digest(token, self._token(int(end))) and int(end) > time.time()

    def _token(self, end: int) -> str:
        found = self._known.get(end)
        if found is None:
            mac = hmac.new(self._secret, str(end).encode(), hashlib.sha256).hexdigest()
            found = f"ya29-sandbox.{end}.{mac}"
            if len(self._known) > 1000:
                self._known.clear()
            self._known[end] = found
        return found

    def _complaint(self, assertion: str) -> str:
        try:
            claims = jwt.decode(
                assertion,
                self._key,
                algorithms=["RS256"],
                audience=self._audience,
                issuer=credentials.FCM_CLIENT_EMAIL,
                leeway=_SKEW_S,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            return f"Invalid JWT: {error}"
        if claims["exp"] - claims["iat"] > LIFETIME_S:
            return "Invalid JWT: Token must be a short-lived token (60 minutes)"
        if not _SCOPES & set(str(claims.get("scope", "")).split()):
            return "Invalid OAuth scope or ID token audience provided."
        return ""


def _error(error: str, description: str) -> Answer:
    return json_answer(400, {"error": error, "error_description": description})
