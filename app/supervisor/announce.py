"""What a newcomer reads once everything runs."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def announcement(facts: Mapping[str, Any], var_dir: Path) -> str:
    """Addresses, demo members and demo keys, from the facts of `run.json`."""
    lines = ["", "Herald is running.", ""]
    lines.append(f"  Console   {facts['web_url']}")
    lines.append(f"  API       {facts['web_url']}/api/docs")
    if facts["sandbox_url"]:
        lines.append(f"  Sandbox   {facts['sandbox_url']}   (no message leaves this machine)")
    lines += _members(facts["members"], var_dir) + _keys(facts["keys"])
    lines += ["", f"Logs are in {var_dir / 'log'}. Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def _members(members: list[Mapping[str, str]], var_dir: Path) -> list[str]:
    if not members:
        create = f"{_herald(var_dir)} member create you@example.com --name You --role owner"
        return ["", "  There are no demo members. Let the first member in with", f"    {create}"]
    roles = max(len(member["role"]) for member in members)
    emails = max(len(member["email"]) for member in members)
    rows = [
        f"    {member['role']:<{roles}}   {member['email']:<{emails}}   {member['password']}"
        for member in members
    ]
    return ["", "  Sign in as (role, e-mail, password)", *rows]


def _herald(var_dir: Path) -> str:
    """The command as it can be typed here, for this installation."""
    here = shutil.which("herald") is None and Path(sys.argv[0]).name == "herald"
    command = os.path.relpath(sys.argv[0]) if here else "herald"
    is_usual = var_dir == Path("var").absolute()
    return command if is_usual else f"HERALD_VAR_DIR={shlex.quote(str(var_dir))} {command}"


def _keys(keys: Mapping[str, str | None]) -> list[str]:
    rows = [f"    {name:<5} {key}" for name, key in keys.items() if key]
    return ["", "  API keys", *rows] if rows else []
