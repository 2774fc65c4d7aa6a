"""Demo members, keys and data, made once per database.

The work is done by `python -m app.demo`, with the functions real data go through. It leaves the
members' passwords and the keys in `var/demo.json`: nobody else knows them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from app.servers.private import write_private
from app.servers.process import kill_group, open_log, spawn
from app.settings import Settings
from app.supervisor.keeper import Keeper
from app.supervisor.programs import ROOT, python

SECONDS: Final = 600.0
OFF: Final = frozenset({"0", "no", "off", "false"})


def demo_data(
    settings: Settings, environ: Mapping[str, str], keeper: Keeper, say: Callable[[str], None]
) -> dict[str, Any]:
    """`members` and `keys` for `run.json`; empty with HERALD_DEMO=no or when the making failed."""
    if environ.get("HERALD_DEMO", "").lower() in OFF:
        return {}
    result = settings.var_dir / "demo.json"
    made_for = _database_name(settings)
    kept = _read(result)
    if kept.get("database") == made_for:
        return kept
    result.unlink(missing_ok=True)
    say("Making demo data (only the first time) …")
    log = settings.var_dir / "log" / "demo.log"
    with open_log(log) as output:
        maker = spawn(python("app.demo"), output=output, cwd=ROOT, env=environ)
    if not _finished(maker, keeper) or not result.exists():
        say(f"The demo data could not be made; Herald runs without. See {log}.")
        return {}
    made = _read(result) | {"database": made_for}
    write_private(result, json.dumps(made, indent=2) + "\n")
    return made


def _finished(maker: Popen[bytes], keeper: Keeper) -> bool:
    try:
        keeper.wait_for(lambda: maker.poll() is not None, SECONDS)
    finally:
        kill_group(maker.pid)
        maker.wait()
    return maker.returncode == 0


def _database_name(settings: Settings) -> str:
    """Tells one database from another without keeping its password."""
    if not settings.database_url:
        return "embedded"
    return hashlib.sha256(settings.database_url.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
