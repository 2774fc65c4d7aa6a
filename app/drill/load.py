"""What a product's services do: send, and send again with the same key until it is accepted."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from app.drill.house import House

CALLERS: Final = 8
PER_CALL: Final = 50
# Every so many messages one goes out alone, by the transactional lane.
ALONE_EVERY: Final = 10
PATIENCE: Final = 180.0
SERVICE, NEWS = "drill-service", "drill-news"
_CONTENT: Final = {"email": {"subject": "Drill", "html": "<p>Drill</p>", "text": "Drill"}}


class Load:
    """Sends `messages` in the background; `accepted` grows with every 2xx answer."""

    def __init__(self, house: House, key: str, messages: int) -> None:
        self._url = f"{house.facts['web_url']}/api/v1/notifications"
        self._key = key
        self._wanted = messages
        self._lock = threading.Lock()
        self._run = uuid.uuid4().hex[:8]
        self.accepted: list[str] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._send_all, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Until every call was answered or given up."""
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether calls are still being made."""
        return self._thread.is_alive()

    def _send_all(self) -> None:
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self._send, self._calls()))

    def _calls(self) -> Iterator[list[int]]:
        alone = [number for number in range(self._wanted) if number % ALONE_EVERY == 0]
        together = [number for number in range(self._wanted) if number % ALONE_EVERY]
        parts = [together[at : at + PER_CALL] for at in range(0, len(together), PER_CALL)]
        for at, part in enumerate(parts):
            yield part
            for number in alone[at :: max(1, len(parts))]:
                yield [number]

    def _send(self, numbers: list[int]) -> None:
        topic = SERVICE if len(numbers) == 1 else NEWS
        items = [
            {"topic": topic, "content": _CONTENT, "to": {"email": f"{self._run}-{n}@example.com"}}
            for n in numbers
        ]
        single = len(items) == 1
        path, body = ("", items[0]) if single else ("/batch", {"notifications": items})
        answer = self._until_accepted(path, body, f"{self._run}-{numbers[0]}-{len(numbers)}")
        with self._lock:
            for result in [answer] if single else answer.get("results", []):
                self.accepted += [item["id"] for item in result.get("notifications", [])]
            if not answer:
                self.refused += len(numbers)

    def _until_accepted(self, path: str, body: object, idempotency_key: str) -> dict[str, Any]:
        """The answer of the first 2xx; empty when none came in time."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                return self._call(path, body, idempotency_key)
            except urllib.error.HTTPError as refused:
                if refused.code not in (409, 429, 500, 502, 503, 504):
                    raise
            except (OSError, ValueError):
                pass  # no answer, or half of one: the same key asks again
            time.sleep(0.3)
        return {}

    def _call(self, path: str, body: object, idempotency_key: str) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - a loopback address of our own
            self._url + path,
            json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/json",
                "Idempotency-Key": idempotency_key,
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
