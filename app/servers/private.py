"""Small files for their owner's eyes only: passwords and configuration that holds one."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write `path` anew with mode 0600; it is never readable by others, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
