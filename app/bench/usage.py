"""What processes use: processor time, memory, and the machine they run on."""

import os
import platform
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from app.servers.process import stat

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PARENT, _CPU, _RSS = 1, slice(11, 15), 21  # fields of /proc/<pid>/stat from the third on

Stats = Mapping[int, Sequence[str]]


def look() -> Stats:
    """The state of every process of this machine, at one moment (Linux)."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return {pid: found for pid in pids if (found := stat(pid))}


def family(stats: Stats, pid: int) -> list[int]:
    """A process and all below it."""
    members = [pid]
    for member in members:
        members += [each for each, fields in stats.items() if fields[_PARENT] == str(member)]
    return [member for member in members if member in stats]


def cpu_seconds(stats: Stats, pid: int) -> float:
    """Processor time of a process and its living descendants, with those that they outlived."""
    return sum(sum(map(int, stats[each][_CPU])) for each in family(stats, pid)) / _TICKS


def own_cpu_seconds() -> float:
    """Processor time of this process, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb(stats: Stats, pid: int) -> float:
    """Resident megabytes of a process and its descendants; what they share counts for each."""
    return sum(int(stats[each][_RSS]) for each in family(stats, pid)) * _PAGE / 1e6


def pss_mb(stats: Stats, pid: int) -> float:
    """Megabytes of a process and its descendants, what is shared divided by its users."""
    return sum(_kilobytes(each, "smaps_rollup", "Pss:") for each in family(stats, pid)) / 1e3


def peak_mb(stats: Stats, pid: int) -> float:
    """The most megabytes that one process among these ever had resident."""
    return (
        max((_kilobytes(each, "status", "VmHWM:") for each in family(stats, pid)), default=0.0)
        / 1e3
    )


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def machine(postgres: str, load: float) -> str:
    """One line: cores, versions, and how busy the machine was before the benchmark began."""
    parts = [f"{cores()} cores", _processor()]
    parts += [f"Python {platform.python_version()}", f"PostgreSQL {postgres}"]
    return ", ".join([*parts, f"load before {load:.2f}"])


def load() -> float:
    """How many processes wanted to run, averaged over the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _kilobytes(pid: int, file: str, field: str) -> float:
    """A field of a file under /proc; 0 for a process that has gone."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) for line in lines if line.startswith(field)) * 1.024
