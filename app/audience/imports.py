"""Imports of people from CSV files: upload, mapping, run, outcome.

`run` streams the file in chunks; each chunk is one transaction that stores its people, its refused
rows and how far it came, so that an import can be watched, resumed after a crash, and never runs
twice at once. While the database stores one chunk, the next one is read and checked.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import DateTime, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app import clock, ids, jobs
from app.audience import (
    csv_cells,
    csv_reading,
    import_mapping,
    import_store,
    topics,
)
from app.audience.csv_reading import Sheet
from app.audience.import_rows import Chunk, RowReader
from app.audience.models import Import, ImportRefusal
from app.db import transaction
from app.errors import Conflict, DomainError, Invalid, NotFound
from app.paging import Page, cut, decode_cursor

CHUNK_ROWS: Final = 2000
JOB: Final = "import_people"
STALLED: Final = timedelta(minutes=2)  # a chunk takes well below a second
_PAGE: Final = 1000

Progress = Callable[[Import], None]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """rows = imported + refused."""

    rows: int
    imported: int
    refused: int


def upload(
    session: Session, path: Path, filename: str, created_by: int | None, now: datetime
) -> Import:
    """Note a file that lies at `path`, with a guess of its mapping. Raises Invalid.

    The file is Herald's own: it is removed when its people are in.
    """
    sheet = csv_reading.inspect(path)
    item = Import(
        filename=filename[:255].replace("\x00", ""),
        path=str(path.absolute()),
        bytes=sheet.size,
        header=sheet.header,
        mapping=import_mapping.guess(sheet.header),
        options=_options(sheet),
        status="uploaded",
        created_by=created_by,
        created_at=now,
    )
    session.add(item)
    session.flush()
    return item


def start(session: Session, item: Import, mapping: Mapping[str, str]) -> None:
    """Fix the mapping and let the import run in the background. Raises Invalid, Conflict."""
    prepare(session, item, mapping)
    jobs.later(session, JOB, item.id)


def prepare(session: Session, item: Import, mapping: Mapping[str, str]) -> None:
    """Fix the mapping and mark the import as running. Raises Invalid, Conflict."""
    if item.status != "uploaded":
        raise Conflict("This import has begun already.")
    import_mapping.check(item.header, mapping, topics.facts(session))
    item.mapping = dict(mapping)
    item.status = "running"
    session.flush()


def discard(session: Session, item: Import) -> None:
    """Forget a file that was not imported: it holds personal data. Raises Conflict."""
    if item.status != "uploaded":
        raise Conflict("This import has begun already.")
    Path(item.path).unlink(missing_ok=True)
    session.delete(item)
    session.flush()


def run(import_id: int, on_progress: Progress | None = None) -> ImportResult:
    """Run an import to its end, from where it stands. Needs an application context.

    Opens its own transactions, one per chunk. Another run of the same import makes this one stop.
    """
    with transaction() as session:
        item = by_id(session, import_id)
        known = dict(topics.facts(session))
    if item.status == "running":
        try:
            _run(item, RowReader(item.header, item.mapping, known), on_progress)
        except (DomainError, OSError, UnicodeError) as error:
            _fail(item, error)
    return ImportResult(item.rows, item.created + item.updated, item.refused)


def import_file(
    path: Path,
    mapping: Mapping[str, str] | None,
    now: datetime,
    on_progress: Progress | None = None,
) -> ImportResult:
    """Import a file at once, for the command line; `mapping` None takes the guess.

    Raises Invalid when the file or the mapping cannot be used: then nothing was imported.
    """
    with transaction() as session:
        item = upload(session, path, path.name, None, now)
        item.options = {**item.options, "keep_file": True}  # it is the caller's own
        prepare(session, item, item.mapping if mapping is None else mapping)
    result = run(item.id, on_progress)
    if item.error:
        raise Invalid.one("/file", "import_failed", item.error)
    return result


def resume_stalled(session: Session, now: datetime) -> int:
    """Ask again for imports that stand still, their worker killed or their job lost; how many."""
    advanced = func.coalesce(
        Import.options["advanced_at"].as_string().cast(DateTime(timezone=True)), Import.created_at
    )
    stalled = session.scalars(
        select(Import.id).where(Import.status == "running", advanced < now - STALLED)
    ).all()
    for import_id in stalled:
        jobs.later(session, JOB, import_id)
    return len(stalled)


def by_id(session: Session, import_id: int) -> Import:
    """Raises NotFound."""
    item = session.get(Import, import_id)
    if item is None:
        raise NotFound("There is no such import.")
    return item


def by_public_id(session: Session, public_id: str) -> Import:
    """The import behind `imp_…`. Raises NotFound."""
    return by_id(session, ids.decode("imp", public_id) or 0)


def page(session: Session, cursor: str | None = None, limit: int = 25) -> Page[Import]:
    """Imports, newest first."""
    chosen = select(Import).order_by(Import.id.desc()).limit(limit + 1)
    after = decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(Import.id < after)
    return cut(session.scalars(chosen).all(), limit, lambda item: item.id)


def percent(item: Import) -> int:
    """How far an import has come, 0 to 100."""
    total = int(item.options.get("rows", 0)) or 1
    return 100 if item.status == "finished" else min(99, item.rows * 100 // total)


def refusals(
    session: Session, import_id: int, after: int = 0, limit: int = 50
) -> list[ImportRefusal]:
    """Refused rows in the order of their keys, beginning after one of them."""
    chosen = (
        select(ImportRefusal)
        .where(ImportRefusal.import_id == import_id, ImportRefusal.id > after)
        .order_by(ImportRefusal.id)
        .limit(limit)
    )
    return list(session.scalars(chosen))


def refusals_csv(import_id: int) -> Iterator[str]:
    """The refused rows as a CSV file, line by line: line, column, reason, then the row as it was.

    Opens its own short transactions, so that a slow reader holds none.
    """
    with transaction() as session:
        header = by_id(session, import_id).header
    yield csv_cells.line([*import_mapping.REFUSED_COLUMNS, *header])
    after = 0
    while True:
        with transaction() as session:
            found = refusals(session, import_id, after, _PAGE)
        for item in found:
            yield csv_cells.line([item.line, item.column, item.reason, *item.row])
        if len(found) < _PAGE:
            return
        after = found[-1].id


def _run(item: Import, reader: RowReader, on_progress: Progress | None) -> None:
    chunks = _chunks(_sheet(item), reader, skip=item.rows)
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, chunks, None)
        while chunk := coming.result():
            coming = ahead.submit(next, chunks, None)
            if not _store(item, chunk):
                coming.cancel()
                return
            if on_progress:
                on_progress(item)
    with transaction() as session:
        session.execute(text("ANALYZE contact"))
        item.status, item.finished_at = "finished", clock.now()
        session.merge(item)
    if not item.options.get("keep_file"):
        Path(item.path).unlink(missing_ok=True)  # personal data: not kept longer than needed


def _chunks(sheet: Sheet, reader: RowReader, skip: int) -> Iterator[Chunk]:
    rows = islice(csv_reading.rows(sheet), skip, None)
    while True:
        chunk = Chunk()
        for row in islice(rows, CHUNK_ROWS):
            chunk.add(reader.read(row))
        if not chunk.rows:
            return
        yield chunk


def _store(item: Import, chunk: Chunk) -> bool:
    """One chunk in one transaction; False when another run of this import was quicker."""
    now = clock.now()
    with transaction() as session:
        evidence = {"import": ids.encode("imp", item.id), "file": item.filename}
        recall = import_store.has_erased(session)
        stored = import_store.store(session, chunk, evidence, now, recall)
        import_store.copy_refusals(session, item.id, stored.refusals)
        ours = session.execute(
            update(Import)
            .where(Import.id == item.id, Import.rows == item.rows, Import.status == "running")
            .values(
                rows=Import.rows + chunk.rows,
                created=Import.created + stored.created,
                updated=Import.updated + stored.updated,
                refused=Import.refused + len(stored.refusals),
                opt_outs_kept=Import.opt_outs_kept + stored.opt_outs_kept,
                bytes_read=_bytes_read(item, chunk),
                options=Import.options.op("||")(literal({"advanced_at": now.isoformat()}, JSONB)),
            )
            .returning(Import)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if ours is None:
            session.rollback()
            return False
        _refresh(item, ours)
    return True


def _refresh(item: Import, row: Import) -> None:
    for name in ("rows", "created", "updated", "refused", "opt_outs_kept", "bytes_read", "options"):
        setattr(item, name, getattr(row, name))


def _bytes_read(item: Import, chunk: Chunk) -> int:
    total = int(item.options["rows"])
    return item.bytes * min(total, item.rows + chunk.rows) // total


def _options(sheet: Sheet) -> dict[str, object]:
    return {
        "encoding": sheet.encoding,
        "delimiter": sheet.delimiter,
        "preface": sheet.preface,
        "rows": sheet.rows,
        "sample": [
            [cell[:200].replace("\x00", "\ufffd") for cell in row] for row in sheet.sample[:5]
        ],
    }


def _sheet(item: Import) -> Sheet:
    options = item.options
    return Sheet(
        Path(item.path),
        str(options["encoding"]),
        str(options["delimiter"]),
        int(options["preface"]),
        item.header,
        int(options["rows"]),
        item.bytes,
        [],
    )


def _fail(item: Import, error: Exception) -> None:
    """The file cannot be read further: what is stored stays, and the error says how far it came."""
    reason = error.message if isinstance(error, DomainError) else "The file cannot be read."
    item.status, item.finished_at = "failed", clock.now()
    item.error = f"Stopped after row {item.rows:,}. {reason}" if item.rows else reason
    with transaction() as session:
        session.merge(item)
