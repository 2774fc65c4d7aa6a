"""Hits wait, are written together, and are not lost."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from app.tracking.buffer import Buffer
from app.tracking.engagement import Hit

HIT = Hit(1, "opened", datetime(2026, 11, 10, tzinfo=UTC), "pixel")


class Store:
    """Remembers chunks; can be away."""

    def __init__(self) -> None:
        self.chunks: list[int] = []
        self.away = False
        self.written = threading.Event()

    def __call__(self, hits: Sequence[Hit]) -> None:
        if self.away:
            raise OSError("The database is away.")
        self.chunks.append(len(hits))
        self.written.set()


def test_what_waits_is_written_in_chunks() -> None:
    store = Store()
    buffer = Buffer(store, pause=60, chunk=10)
    for _ in range(9):
        buffer.add(HIT)
    buffer.flush()
    assert sum(store.chunks) == 9


def test_a_full_chunk_is_written_without_waiting() -> None:
    store = Store()
    buffer = Buffer(store, pause=60, chunk=5)
    for _ in range(5):
        buffer.add(HIT)
    assert store.written.wait(5)
    buffer.close()
    assert sum(store.chunks) == 5


def test_a_clean_stop_writes_what_is_left() -> None:
    store = Store()
    buffer = Buffer(store, pause=60)
    buffer.add(HIT)
    buffer.close()
    buffer.close()
    assert store.chunks == [1]


def test_while_the_database_is_away_nothing_is_lost() -> None:
    store = Store()
    buffer = Buffer(store, pause=60)
    store.away = True
    buffer.add(HIT)
    with pytest.raises(OSError, match="away"):
        buffer.flush()
    store.away = False
    buffer.close()
    assert store.chunks == [1]
