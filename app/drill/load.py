"""What a product's services do: send, and send again with the same key until it is accepted."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from app.drill.background import Background
from app.drill.client import Client

CALLERS: Final = 8
PER_CALL: Final = 50
# Every so many messages one goes out alone, by the transactional lane.
ALONE_EVERY: Final = 10
# The calls are spread over this time, so that a fault meets them all along.
SECONDS: Final = 15.0
SERVICE, NEWS = "drill-service", "drill-news"
_PAGE: Final = '<p>Drill</p><p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
CONTENT: Final = {"email": {"subject": "Drill", "html": _PAGE, "text": ""}}


class Load:
    """Sends `messages` in the background; `accepted` grows with every 2xx answer."""

    def __init__(self, client: Client, messages: int) -> None:
        self._client = client
        self._wanted = messages
        self._lock = threading.Lock()
        self._run = uuid.uuid4().hex[:8]
        self._sending = Background(self._send_all)
        self._began = 0.0
        self.accepted: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        self._sending.start()

    def wait_for(self, share: float) -> None:
        """Until this share is accepted, or nothing more will be."""
        while len(self.accepted) < self._wanted * share and self._sending.is_running:
            time.sleep(0.02)

    def wait(self) -> None:
        """Until every call was answered or given up. Raises RefusedError."""
        self._sending.finish()

    def _send_all(self) -> None:
        calls = list(self._calls())
        pause = SECONDS / len(calls)
        with ThreadPoolExecutor(CALLERS) as pool:
            for result in [pool.submit(self._send, n * pause, c) for n, c in enumerate(calls)]:
                result.result()

    def _calls(self) -> Iterator[list[int]]:
        alone = [number for number in range(self._wanted) if number % ALONE_EVERY == 0]
        together = [number for number in range(self._wanted) if number % ALONE_EVERY]
        parts = [together[at : at + PER_CALL] for at in range(0, len(together), PER_CALL)]
        for at, part in enumerate(parts):
            yield part
            for number in alone[at :: len(parts)]:
                yield [number]

    def _send(self, at: float, numbers: list[int]) -> None:
        time.sleep(max(0.0, self._began + at - time.monotonic()))
        topic = SERVICE if len(numbers) == 1 else NEWS
        items = [
            {"topic": topic, "content": CONTENT, "to": {"email": f"{self._run}-{n}@example.com"}}
            for n in numbers
        ]
        single = len(items) == 1
        path, body = ("", items[0]) if single else ("/batch", {"notifications": items})
        key = f"{self._run}-{numbers[0]}-{len(numbers)}"
        answer = self._client.until_accepted(f"/notifications{path}", body, key)
        with self._lock:
            for result in [answer] if single else answer.get("results", []):
                self.accepted += [item["id"] for item in result.get("notifications", [])]
