"""The drill's only way in: the API, asked again with the same key until it says 2xx."""

import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final

PATIENCE: Final = 180.0
# Come back with the same key; anything else is a mistake of ours.
AGAIN: Final = frozenset({409, 429, 500, 502, 503, 504})
# None at all, or half of one.
NO_ANSWER: Final = (OSError, HTTPException, ValueError)


class RefusedError(Exception):
    """An answer that is not 2xx; `retry_after` is the header's value, or empty."""

    def __init__(self, code: int, retry_after: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Client:
    """An API under this address, with this key; once it is `over` nothing is asked again."""

    url: str
    key: str
    over: threading.Event = field(default_factory=threading.Event)

    def until_accepted(self, path: str, body: object, idempotency_key: str) -> dict[str, Any]:
        """The answer of the first 2xx; empty when none came in time. Raises RefusedError."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.over.is_set():
            try:
                return self.call(path, body, idempotency_key)
            except RefusedError as refused:
                if refused.code not in AGAIN:
                    raise
            except NO_ANSWER:
                pass  # the same key asks again
            self.over.wait(0.3)
        return {}

    def call(self, path: str, body: object, idempotency_key: str) -> dict[str, Any]:
        """One POST. Raises RefusedError, or one of NO_ANSWER."""
        request = urllib.request.Request(  # noqa: S310 - a loopback address of our own
            f"{self.url}/api/v1{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
                "Idempotency-Key": idempotency_key,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as refused:
            with refused:
                text = refused.read(1000).decode(errors="replace")
            raise RefusedError(refused.code, refused.headers["Retry-After"] or "", text) from None
