"""`herald import`: people from a CSV file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.running import actor, application

if TYPE_CHECKING:
    from app.audience.models import Import

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="HEADING=FIELD",
    help="What a column is, where the guess is wrong; may be repeated. An empty FIELD leaves it "
    "out.",
)
@click.option(
    "--refused",
    "refused_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the refused rows, with line, column and reason, to this CSV file.",
)
@click.option("--json", "as_json", is_flag=True, help="End with the counts as one JSON object.")
def import_people(
    file: Path, pairs: tuple[str, ...], refused_file: Path | None, as_json: bool
) -> None:
    """Import people from a CSV file.

    Its first line names the columns. They are recognised by their names: external_id, email, phone,
    first_name, last_name, locale, country, timezone, tags, unsubscribed; any other becomes an
    attribute. topic:KEY says who wants a topic: no opts the person out, yes changes nothing. People
    who are known are changed, never doubled, and an import never undoes an opt-out. Rows that
    cannot be used are refused, each with its reason; the others are imported.

    Example: herald import people.csv --map "Kundennr=external_id" --refused refused.csv
    """
    from app import clock
    from app.accounts import audit
    from app.audience import csv_reading, import_mapping, imports
    from app.db import transaction

    seen: list[int] = []

    def progress(item: "Import") -> None:
        seen[:] = [item.id]
        click.echo(f"\r{imports.percent(item):>3} %  {item.rows:,} rows", err=True, nl=False)

    with application():
        mapping = import_mapping.guess(csv_reading.inspect(file).header) | _mapping(pairs)
        result = imports.import_file(file, mapping, clock.now(), progress)
        click.echo("", err=True)
        if refused_file and seen:
            with refused_file.open("w", encoding="utf-8", newline="") as output:
                output.writelines(imports.refusals_csv(seen[0]))
        counts = {"rows": result.rows, "imported": result.imported, "refused": result.refused}
        with transaction() as session:
            audit.record(session, actor(), "import.run", file.name, counts, clock.now())
    if as_json:
        click.echo(json.dumps(counts))
        return
    click.echo(f"{result.imported:,} of {result.rows:,} rows were imported.")
    if result.refused:
        where = f"See {refused_file}." if refused_file else "Use --refused FILE to see them."
        click.echo(f"{result.refused:,} were refused. {where}")


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        heading, equals, target = pair.rpartition("=")
        if not equals:
            raise click.UsageError(f"--map takes HEADING=FIELD, not {pair!r}.")
        mapping[heading] = target
    return mapping
