"""What a process prints, kept in a file that never grows beyond a few megabytes."""

from contextlib import suppress
from pathlib import Path
from typing import IO, Final

LIMIT_BYTES: Final = 10_000_000
KEPT_FILES: Final = 3


class Log:
    """`web.log`, and older parts as `web.log.1` (the newest) to `web.log.3`."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES, kept: int = KEPT_FILES) -> None:
        self.path = path
        self._limit = limit
        self._kept = kept
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    def write(self, data: bytes) -> None:
        """Append, and turn the page between lines when the file is full.

        On a full disk the lines are lost: who keeps the others running must not fall over it.
        """
        with suppress(OSError):
            if self._file.closed:
                self._file = self._open()
            self._file.write(data)
            if self._file.tell() >= self._limit and data.endswith(b"\n"):
                self._rotate()

    def close(self) -> None:
        """No more will be written."""
        self._file.close()

    def _open(self) -> IO[bytes]:
        return self.path.open("ab", buffering=0)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1) if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
