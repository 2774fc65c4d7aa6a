"""Running the baseline of `herald bench api` and `engagement`."""

from dataclasses import dataclass

import orjson
from sqlalchemy import func, select

from app.bench.load import Plan, Request
from app.bench.plain.tables import Base, Hit, Message
from app.bench.scratch import Scratch
from app.db import db, transaction
from app.servers.process import free_port
from app.supervisor.programs import WEB_WORKERS, python

NAME = "plain-web"


@dataclass(slots=True)
class Other:
    """The baseline's web server."""

    base_url: str
    used: int = 0

    def plan(self, number: int) -> Plan:
        """So many calls for one message each, with the same content as Herald's."""
        headers = ["Authorization: Bearer plain", "Content-Type: application/json"]
        return Plan(self.base_url, headers, [Request("/send", self._body()) for _ in range(number)])

    def accepted(self) -> int:
        """Rows so far."""
        with transaction() as session:
            return session.scalar(select(func.count()).select_from(Message)) or 0

    def hits(self) -> int:
        """Opens and clicks so far."""
        with transaction() as session:
            return session.scalar(select(func.count()).select_from(Hit)) or 0

    def _body(self) -> str:
        self.used += 1
        document = {
            "template": "bench-receipt",
            "to": {"email": f"buyer{self.used}@example.com"},
            "data": {"name": "Ada", "number": str(self.used)},
        }
        return orjson.dumps(document).decode()


def start(house: Scratch) -> Other:
    """Run it beside Herald's, with as many processes and threads."""
    tables = [Base.metadata.tables[name] for name in ("plain_message", "plain_hit")]
    Base.metadata.create_all(db.engine, tables)
    port = free_port()
    words = ["--port", str(port), "--workers", str(WEB_WORKERS)]
    house.start(NAME, python("app.bench.plain.web", *words))
    url = f"http://127.0.0.1:{port}"
    house.await_url(NAME, f"{url}/healthz")
    return Other(url)
