"""A product's service that sends through a whole Herald, and counts by the sandbox's journal."""

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from app import ids
from app.drill.client import Client
from app.drill.house import House
from tests.support.processes import eventually

CALLERS = 8
_STATES = "select status, count(*) from notification where id = any(%s) group by 1"


class Service:
    """Sends single messages of the transactional lane; what was 2xx is accepted."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = Client(house.facts["web_url"], house.key())
        with house.database() as connection:
            connection.execute(
                "insert into topic (key, name, klass) values ('service', 'S', 'transactional')"
            )

    def body(self, name: str) -> dict[str, Any]:
        """One message to one address."""
        content = {"email": {"subject": "Code", "text": "1234", "html": ""}}
        return {"topic": "service", "content": content, "to": {"email": f"{name}@example.com"}}

    def send(self, count: int) -> list[str]:
        """Send so many, each again until it is accepted; answers their ids."""
        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(self._send, range(count)))

    def sending(self, count: int) -> "Future[list[str]]":
        """The same in the background."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.send, count)
        pool.shutdown(wait=False)
        return future

    def handed_over(self, accepted: Sequence[str]) -> Counter[str]:
        """How often the sandbox took each of them."""
        wanted = set(accepted)
        taken = self.house.handed_over()
        return Counter({one: times for one, times in taken.items() if one in wanted})

    def arrive(self, accepted: Sequence[str], seconds: float) -> bool:
        """Whether all of them reach the sandbox in time."""
        return eventually(lambda: len(self.handed_over(accepted)) == len(set(accepted)), seconds)

    def doubled(self, accepted: Sequence[str]) -> int:
        """Hand-overs beyond the first."""
        return sum(times - 1 for times in self.handed_over(accepted).values())

    def states(self, accepted: Sequence[str]) -> dict[str, int]:
        """What Herald says of them, in figures."""
        with self.house.database() as connection:
            keys = [ids.decode("ntf", one) for one in accepted]
            return dict(connection.execute(_STATES, [keys]).fetchall())

    def is_ready(self, seconds: float) -> bool:
        """Whether one more message is accepted in time, and how a service finds that out."""
        end = time.monotonic() + seconds
        return bool(self._send(0)) and time.monotonic() < end

    def _send(self, _number: int) -> str:
        name = uuid.uuid4().hex
        answer = self.client.until_accepted("/notifications", self.body(name), name)
        return str(answer["notifications"][0]["id"])
