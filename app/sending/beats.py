"""A counter outside the database: what a copy that was restored in place has fallen behind of.

Kept in a file of the var folder and in Redis, each may be missing; the larger counts.
"""

import contextlib
import json
from pathlib import Path
from typing import Final

import redis

from app import jobs

FILE: Final = "installation.json"
REMEMBERED: Final = 20  # installations that used this folder, the last ones


def seen(var_dir: Path, token: str) -> int:
    """The highest count that was ever written for this installation; 0 when nothing is known."""
    return max(_in_file(var_dir).get(token, 0), _in_redis(token))


def write(var_dir: Path, token: str, beats: int) -> None:
    """Keep the count. A folder or a Redis that cannot be written now is passed over."""
    known = _in_file(var_dir)
    known.pop(token, None)
    kept = dict([*known.items(), (token, beats)][-REMEMBERED:])
    with contextlib.suppress(OSError):
        var_dir.mkdir(parents=True, exist_ok=True)
        fresh = var_dir / f"{FILE}.new"
        fresh.write_text(json.dumps(kept), encoding="ascii")
        fresh.replace(var_dir / FILE)
    with contextlib.suppress(redis.RedisError):
        jobs.broker().client.set(_name(token), beats)


def _in_file(var_dir: Path) -> dict[str, int]:
    try:
        found = json.loads((var_dir / FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(token): count for token, count in found.items() if isinstance(count, int)}


def _in_redis(token: str) -> int:
    try:
        return int(jobs.broker().client.get(_name(token)) or 0)  # type: ignore[arg-type]
    except (redis.RedisError, ValueError):
        return 0


def _name(token: str) -> str:
    return f"{jobs.broker().namespace}:installation:{token}"
