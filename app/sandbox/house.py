"""Puts the sandbox together from its configuration."""

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flask import Flask

from app.sandbox import credentials
from app.sandbox.desk import Desk, Wire
from app.sandbox.doors.door import Door
from app.sandbox.doors.room import Room
from app.sandbox.doors.smtp import Relay
from app.sandbox.doors.till import Till
from app.sandbox.events.emitter import Emitter
from app.sandbox.events.settings import from_environment
from app.sandbox.faults import Faults
from app.sandbox.gate import Gate
from app.sandbox.journal import Journal
from app.sandbox.pages import Parts, furnish
from app.sandbox.store import Store
from app.sandbox.web import Web
from app.sandbox.wires.apns import Apns
from app.sandbox.wires.fcm import Fcm
from app.sandbox.wires.fcm_token import TokenDesk
from app.sandbox.wires.sendgrid import SendGrid
from app.sandbox.wires.smtp import Smtp
from app.sandbox.wires.twilio import Twilio


@dataclass(frozen=True, slots=True)
class Config:
    """Where the sandbox listens, keeps its things and posts events to."""

    host: str
    port: int
    smtp_port: int
    var_dir: str
    callback_url: str
    gate_port: int

    @property
    def folder(self) -> Path:
        """The sandbox's own part of the var directory."""
        return Path(self.var_dir).absolute() / "sandbox"

    @property
    def gate_url(self) -> str:
        """The same for the second door."""
        return f"http://{self.host}:{self.gate_port}"

    @property
    def url(self) -> str:
        """The address providers' base URLs begin with."""
        return f"http://{self.host}:{self.port}"


async def open_doors(config: Config) -> None:
    """Put everything together and listen. Raises OSError when a port is taken."""
    keys = credentials.load_keys(config.folder)
    emitter = Emitter(config.callback_url, keys.webhook, from_environment(os.environ))
    desk = Desk(Journal(config.folder), Store(config.folder), Faults(), emitter)
    tokens = TokenDesk(keys.fcm.public_key(), keys.token_secret, credentials.token_uri(config.url))
    twilio = Twilio(emitter.texts)
    apple = keys.apns.public_key()
    wires: dict[str, Wire] = {
        "sendgrid": SendGrid(),
        "twilio": twilio,
        "apns": Apns(apple, development=False),
        "apns-sandbox": Apns(apple, development=True),
        "fcm": Fcm(tokens),
    }
    loop = asyncio.get_running_loop()
    till = Till(desk, loop)
    pages = Flask("app.sandbox", static_url_path="/outbox/static")
    behind = Room(Web(desk, wires, tokens), till, loop, rough=True)
    gate = Door(behind, config.host, config.gate_port)
    furnish(pages, Parts(desk, emitter, twilio, Gate(gate, loop)))
    front = Door(Room(Web(desk, wires, tokens, pages), till, loop), config.host, config.port)
    emitter.start()
    relay = partial(Relay, Smtp(desk), till)
    await loop.create_server(relay, config.host, config.smtp_port)
    await gate.open()
    await front.open()
