"""Puts the sandbox together from its configuration."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from flask import Flask

from app.sandbox import credentials
from app.sandbox.desk import Desk, Wire
from app.sandbox.events.emitter import Emitter
from app.sandbox.events.settings import from_environment
from app.sandbox.faults import Faults
from app.sandbox.gate import Gate
from app.sandbox.journal import Journal
from app.sandbox.pages import Parts, furnish
from app.sandbox.store import Store
from app.sandbox.web import Web
from app.sandbox.wires import smtp
from app.sandbox.wires.apns import Apns
from app.sandbox.wires.fcm import Fcm
from app.sandbox.wires.fcm_token import TokenDesk
from app.sandbox.wires.sendgrid import SendGrid
from app.sandbox.wires.twilio import Twilio

_VARIABLE: Final = "HERALD_SANDBOX_CONFIG"


@dataclass(frozen=True, slots=True)
class Config:
    """Where the sandbox listens, keeps its things and posts events to."""

    host: str
    port: int
    smtp_port: int
    var_dir: str
    callback_url: str
    gate_port: int
    parent: int = 0

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

    def hand_down(self) -> None:
        """Leave this configuration to the server's child process."""
        os.environ[_VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def inherited(cls) -> "Config":
        """What hand_down() of the parent process left."""
        return cls(**json.loads(os.environ[_VARIABLE]))


def build(config: Config) -> Web:
    """The running sandbox: its threads are started, the WSGI app is returned."""
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
    pages = Flask("app.sandbox", static_url_path="/outbox/static")
    web = Web(desk, wires, tokens, pages)
    gate = Gate(web, config.host, config.gate_port)
    furnish(pages, Parts(desk, emitter, twilio, gate))
    smtp.start(desk, config.host, config.smtp_port)
    gate.start()
    emitter.start()
    return web
