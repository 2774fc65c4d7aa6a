"""Scripted servers, and messages to send to them."""

from collections.abc import Iterator

import pytest

from tests.channels.scripted import ScriptedServer
from tests.channels.scripted_h2 import ScriptedH2Server
from tests.channels.scripted_smtp import ScriptedSmtp


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def h2_server() -> Iterator[ScriptedH2Server]:
    with ScriptedH2Server() as scripted:
        yield scripted


@pytest.fixture
def smtp_server() -> Iterator[ScriptedSmtp]:
    with ScriptedSmtp() as scripted:
        yield scripted
