"""A campaign among the load, from its draft to the rows of its fan-out."""

import time
import uuid
from typing import Final

import psycopg

from app import ids
from app.drill.background import Background
from app.drill.client import AGAIN, NO_ANSWER, Client, RefusedError
from app.drill.house import House
from app.drill.load import CONTENT, NEWS

PATIENCE: Final = 180.0
_PEOPLE: Final = """
  insert into contact (external_id, email, locale, timezone)
  select 'drill-' || n, 'drill-' || n || '@example.com', 'en-GB', 'Europe/London'
    from generate_series(1, %s) n
"""
_EVERYONE: Final = (
    "insert into segment (name, rule) values ('Everyone', '{\"all\": []}') returning id"
)
_ROWS: Final = """
  select n.id from campaign c join notification n on n.campaign_id = c.id
     and n.accepted_at = c.launched_at
   where c.id = %s and c.fanned_out_at is not null
"""


def invite(house: House, people: int) -> str:
    """Make the people, once per house; answers the public id of the segment that holds them."""
    with house.database() as connection:
        connection.execute(_PEOPLE, [people])
        row = connection.execute(_EVERYONE).fetchone()
    return ids.encode("seg", row[0] if row else 0)


class Newsletter:
    """Drafts and launches a campaign to a segment of `people` in the background.

    Its messages count as accepted once the fan-out has committed their rows.
    """

    def __init__(self, house: House, client: Client, segment: str, people: int) -> None:
        self._house = house
        self._client = client
        self._segment = segment
        self._key = 0
        self._launching = Background(self._launch)
        self.people = people

    def start(self) -> None:
        """Begin."""
        self._launching.start()

    def accepted(self) -> list[str]:
        """The messages, when all rows are there; those that are there when that takes too long."""
        self._launching.finish()
        end = time.monotonic() + PATIENCE
        found: list[str] = []
        while self._key and not found and time.monotonic() < end:
            time.sleep(0.3)
            found = self._rows()
        return found

    def _launch(self) -> None:
        body = {
            "name": "Drill",
            "topic": NEWS,
            "content": CONTENT,
            "audience": {"segments": [self._segment]},
            "quiet_hours": False,
        }
        drafted = self._client.until_accepted("/campaigns", body, uuid.uuid4().hex)
        key = ids.decode("cmp", drafted.get("id", ""))
        if key is None:
            return
        self._key = key
        path = f"/campaigns/{drafted['id']}/launch"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self._is_launched(path):
            time.sleep(0.3)

    def _is_launched(self, path: str) -> bool:
        """Once launched it is no draft any more: a launch whose answer was lost says 409."""
        try:
            self._client.call(path, {}, uuid.uuid4().hex)
        except RefusedError as refused:
            if refused.code not in AGAIN:
                raise
            return refused.code == 409
        except NO_ANSWER:
            return False
        return True

    def _rows(self) -> list[str]:
        try:
            with self._house.database() as connection:
                rows = connection.execute(_ROWS, [self._key]).fetchall()
        except psycopg.OperationalError:
            return []
        return [ids.encode("ntf", key) for (key,) in rows]
