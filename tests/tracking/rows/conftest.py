"""Herald behind a real port, and a sandbox that posts its webhooks there."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.serving import make_server

from app import clock, ids
from app import settings as herald_settings
from app.alerts.models import Incident
from app.audience.models import Suppression
from app.db import db, transaction
from app.factory import create_app
from app.sending import engine as engines
from app.sending.models import Notification
from app.sending.requests import Recipient
from app.settings import Settings
from app.tracking import receipts
from tests.support.sandbox import SandboxHandle, running_sandbox
from tests.support.sending import House

QUIET = {"processed": False, "delivered": False}


@pytest.fixture(scope="session")
def door() -> int:
    """A free port for Herald."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def talking(door: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    var_dir = tmp_path_factory.mktemp("talking")
    with running_sandbox(var_dir, f"http://127.0.0.1:{door}") as handle:
        yield handle


@pytest.fixture
def sandbox(talking: SandboxHandle) -> SandboxHandle:
    """A clean sandbox that says nothing by itself."""
    talking.reset()
    talking.control("events", QUIET)
    return talking


@pytest.fixture(scope="session")
def built_app(settings: Settings, talking: SandboxHandle, door: int) -> Iterator[Flask]:
    """Herald with the sandbox as its providers, listening at its public address."""
    found = herald_settings.load(
        {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "HERALD_VAR_DIR": str(talking.var_dir),
            "HERALD_SECRET_KEY": settings.secret_key,
            "HERALD_PUBLIC_URL": f"http://127.0.0.1:{door}",
        }
    )
    app = create_app(found)
    app.testing = True
    server = make_server("127.0.0.1", door, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield app
    server.shutdown()
    server.server_close()
    with app.app_context():
        db.engine.dispose()


@dataclass
class Town:
    """A house that hears what its providers tell."""

    house: House

    def mail(self, address: str = "ann@example.org") -> int:
        """A mail to a person, handed over; its key."""
        return self._send(email=address)

    def text(self, number: str = "+12025551234") -> int:
        """A text to a person, handed over; its key."""
        return self._send(phone=number)

    def _send(self, **address: str) -> int:
        name = next(iter(address.values()))
        with transaction() as session:
            known = session.scalar(
                text("select 1 from contact where external_id = :n"), {"n": name}
            )
        if not known:
            self.house.contact(name, **address)
        accepted = self.house.accept(Recipient(external_id=name))
        self.house.deliver_all()
        return accepted.messages[0].key

    def hears(self, key: int, event: str, **script: Any) -> Notification:
        """The provider tells it on the wire, Herald applies it; the message as it is then."""
        ref = ids.encode("ntf", key)
        self.house.sandbox.control(f"events/{ref}", {"event": event, **script})
        return self.applied(key)

    def applied(self, key: int) -> Notification:
        """Wait for a webhook and apply it; the message as it is then."""
        until = time.monotonic() + 10
        while True:
            with transaction() as session:
                if receipts.apply(session, clock.now()).receipts:
                    break
            assert time.monotonic() < until, "no webhook came"
            time.sleep(0.02)
        return self.house.message(key)

    def suppressed(self) -> dict[str, tuple[str, str]]:
        """address -> why, and for what."""
        with transaction() as session:
            rows = session.scalars(select(Suppression))
            return {row.address: (row.reason, row.scope) for row in rows}

    def incidents(self) -> set[str]:
        """The causes of the open ones."""
        with transaction() as session:
            return set(session.scalars(select(Incident.cause)))


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    """A small workspace whose messages are sent with Herald's real address in them."""
    yield Town(replace(house, engine=engines.build(house.app.config["HERALD"], "test")))
    db.session.remove()
    db.engine.dispose()  # other tests copy the database, which must be alone then
