"""Request bodies as they came, for the outbox: bounded, and written once per request.

What is kept is on disk with flush(); bodies that come together are written together.

A batch of 500 recipients shares one stored body. Bodies are appended to segment files; when a
segment is full the next one begins, and the oldest is dropped.
"""

import os
import threading
from pathlib import Path
from typing import Final, NamedTuple

SEGMENT_BYTES: Final = 32 * 1024 * 1024
SEGMENTS: Final = 8
LARGEST_BODY: Final = 8 * 1024 * 1024


class Place(NamedTuple):
    """Where a body lies."""

    segment: int
    offset: int
    length: int


class Store:
    """Bodies of the last requests, about 256 MB of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "messages"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._number = max(self._numbers(), default=0)
        self._begin()

    def keep(self, body: bytes) -> Place | None:
        """The place of a body, which is on disk by flush(); None when it is too large to keep."""
        if len(body) > LARGEST_BODY:
            return None
        with self._lock:
            if self._size >= SEGMENT_BYTES:
                self._write()
                self._number += 1
                os.close(self._file)
                self._begin()
                self._drop_oldest()
            place = Place(self._number, self._size, len(body))
            self._pending.append(body)
            self._size += len(body)
            return place

    def flush(self) -> None:
        """Append what was kept since the last time. Raises OSError."""
        if self._pending:
            with self._lock:
                self._write()

    def body(self, place: Place) -> bytes | None:
        """A kept body; None when it has been dropped since."""
        try:
            with self._path(place.segment).open("rb") as file:
                file.seek(place.offset)
                data = file.read(place.length)
        except OSError:
            return None
        return data if len(data) == place.length else None

    def reset(self) -> None:
        """Forget every body."""
        with self._lock:
            self._pending.clear()
            os.close(self._file)
            for number in self._numbers():
                self._path(number).unlink(missing_ok=True)
            self._number += 1
            self._begin()

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        try:
            append(self._file, b"".join(pending))
        except OSError:
            self._size = os.fstat(self._file).st_size
            raise

    def _begin(self) -> None:
        path = self._path(self._number)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def _drop_oldest(self) -> None:
        for number in sorted(self._numbers())[:-SEGMENTS]:
            self._path(number).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self._folder.glob("*.bodies") if path.stem.isdigit()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.bodies"


def append(file: int, data: bytes) -> None:
    """Write all of it or nothing, in one call unless the disk takes less at a time. Raises OSError.

    Nobody else may write to the file meanwhile.
    """
    done = 0
    try:
        while done < len(data):
            done += os.write(file, data[done:] if done else data)
    except OSError:
        os.ftruncate(file, os.fstat(file).st_size - done)
        raise
