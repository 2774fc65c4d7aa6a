"""`herald bench import`: a CSV file of people, by `herald import` in a process of its own."""

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from app.bench import caller as callers
from app.bench import figures, usage
from app.bench.figures import NotReal
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.db import transaction
from app.supervisor.programs import python

NAME: Final = "import"
LONGEST: Final = 1800.0
_HEADER: Final = "external_id,email,phone,first_name,last_name,country,timezone,plan,store"


def run(create_app: CreateApp, rows: int, runs: int) -> Mapping[str, Any]:
    """Rows per second and the most memory, medians over the runs; each run brings new people."""
    with scratch(create_app, without=("web", "scheduler", *SENDERS)) as house:
        found = [_imported(house, number * rows, rows) for number in range(runs)]
        machine = house.machine
    rates = [rows / each["seconds"] for each in found]
    return {
        "bench": "import",
        "rows": rows,
        "runs": runs,
        "seconds": round(figures.median([each["seconds"] for each in found]), 2),
        "per_second": round(figures.median(rates)),
        "per_second_of_runs": [round(rate) for rate in rates],
        **figures.against(0.0, 0.0),
        "cpu_us": figures.median_cpu_us([each["cpu_us"] for each in found]),
        "rss_mb": {NAME: round(max(each["peak_mb"] for each in found), 1)},
        "peak_mb": {NAME: round(max(each["peak_mb"] for each in found), 1)},
        "machine": machine,
    }


def _imported(house: Scratch, first: int, rows: int) -> dict[str, Any]:
    """Import one file. Raises NotReal unless every row became a person."""
    path = house.var_dir / "people.csv"
    _write(path, first, rows)
    before, began, peak = house.cpu_seconds(), time.monotonic(), 0.0
    log = house.var_dir / "log" / f"{NAME}.log"
    log.unlink(missing_ok=True)
    house.start(NAME, python("app.cli.main", "import", str(path), "--json"))
    process, used = house.processes[NAME], before
    while process.poll() is None:
        if time.monotonic() - began > LONGEST:
            raise NotReal("The import does not end.")
        peak = max(peak, usage.peak_mb(usage.look(), process.pid))
        used = house.cpu_seconds()
        time.sleep(0.25)
    seconds = time.monotonic() - began
    house.end(NAME)
    said = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
    if process.returncode or not said:
        raise NotReal(f"The import failed: {' '.join(said)}")
    callers.must_be("rows imported", json.loads(said[0])["imported"], rows)
    with transaction() as session:
        people = session.scalar(text("select count(*) from contact"))
    callers.must_be("people", people or 0, first + rows)
    return {"seconds": seconds, "peak_mb": peak, "cpu_us": figures.cpu_us(before, used, rows)}


def _write(path: Path, first: int, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER.split(","))
        for n in range(first + 1, first + rows + 1):
            plan = "plus" if n % 2 else "none"
            who = [f"u-{n}", f"person{n}@example.com", f"+4471{n % 10**8:08d}", f"Ada{n}", "Baker"]
            writer.writerow([*who, "GB", "Europe/London", plan, f"s{n % 200}"])
