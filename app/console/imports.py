"""Imports of people: upload a file, name its columns, watch it run, see what was refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from flask import Blueprint, Response, current_app, flash, request, stream_with_context, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit, members
from app.audience import import_mapping, imports
from app.audience.models import Import
from app.console import access, import_choices, pages
from app.db import transaction
from app.errors import Invalid

blueprint: Final = Blueprint("imports", __name__, url_prefix="/people/import")
REFUSALS: Final = 50
LIST: Final = 20
_FASTEST, _SLOWEST = 2, 10  # seconds between two looks at a run


@blueprint.get("")
@access.allow("people.edit")
def index() -> Response:
    """The form to upload a file, and the imports so far."""
    return _index()


@blueprint.post("")
@access.allow("people.edit")
def upload() -> AnyResponse:
    """Keep the file and guess what its columns are."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _index("Choose a CSV file first.", 422)
    path = _keep(file)
    try:
        with transaction() as session:
            now = clock.now()
            item = imports.upload(session, path, file.filename, current_user.id, now)
            public_id = ids.encode("imp", item.id)
            detail = {"file": item.filename, "rows": item.options["rows"]}
            audit.record(session, access.actor(), "import.create", public_id, detail, now)
    except Invalid as refused:
        path.unlink(missing_ok=True)
        return _index(refused.message, 422)
    except Exception:
        path.unlink(missing_ok=True)
        raise
    return pages.go(url_for("imports.show", public_id=public_id))


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> Response:
    """A file above the limit is not read at all."""
    most = (request.max_content_length or 0) // (1024 * 1024)
    words = f"The file is larger than {most} MB. Split it, or use herald import on the server."
    return _index(words, 413)


@blueprint.get("/<public_id>")
@access.allow("people.edit")
def show(public_id: str) -> Response:
    """The columns of a file that waits, or how its import goes."""
    with transaction() as session:
        item = imports.by_public_id(session, public_id)
        if item.status == "uploaded":
            return _mapping(session, item, item.mapping, {})
        return pages.page("imports/show.html", **_run(session, item))


@blueprint.get("/<public_id>/_progress")
@access.allow("people.edit")
def progress(public_id: str) -> Response:
    """How far it has come, asked for until it is over."""
    with transaction() as session:
        item = imports.by_public_id(session, public_id)
        home = url_for("imports.show", public_id=public_id)
        return pages.fragment("imports/_progress.html", home, **_run(session, item))


@blueprint.post("/<public_id>/start")
@access.allow("people.edit")
def start(public_id: str) -> AnyResponse:
    """Fix the mapping and let it run."""
    with transaction() as session:
        item = imports.by_public_id(session, public_id)
        if item.status != "uploaded":  # pressed twice
            return pages.go(url_for("imports.show", public_id=public_id))
        chosen = import_choices.chosen(item)
        try:
            imports.start(session, item, chosen)
        except Invalid as refused:
            return _mapping(session, item, chosen, refused.by_field(), 422)
        used = {heading: target for heading, target in chosen.items() if target}
        detail = {"file": item.filename, "rows": item.options["rows"], "columns": used}
        audit.record(session, access.actor(), "import.start", public_id, detail, clock.now())
    return pages.go(url_for("imports.show", public_id=public_id))


@blueprint.post("/<public_id>/discard")
@access.allow("people.edit")
def discard(public_id: str) -> AnyResponse:
    """Delete a file that is not to be imported."""
    with transaction() as session:
        item = imports.by_public_id(session, public_id)
        name = item.filename
        imports.discard(session, item)
        detail = {"file": name}
        audit.record(session, access.actor(), "import.discard", public_id, detail, clock.now())
    flash(f"{name} was deleted. Nothing was imported.", "done")
    return pages.go(url_for("imports.index"))


@blueprint.get("/<public_id>/refused.csv")
@access.allow("people.edit")
def refused_rows(public_id: str) -> Response:
    """The refused rows with their reasons: to correct and import again."""
    with transaction() as session:
        item = imports.by_public_id(session, public_id)
        detail = {"rows": item.refused}
        audit.record(session, access.actor(), "import.export", public_id, detail, clock.now())
    answer = Response(stream_with_context(_csv(item.id)), mimetype="text/csv; charset=utf-8")
    name = f"refused-{public_id}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _csv(import_id: int) -> Iterator[str]:
    yield "\ufeff"  # spreadsheets take it as UTF-8 then
    yield from imports.refusals_csv(import_id)


def _keep(file: FileStorage) -> Path:
    """Store an upload under a name of our own; only this machine's user may read it."""
    folder = current_app.config["HERALD"].var_dir / "imports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = Path(folder / f"{uuid4().hex}.csv")
    file.save(path)
    path.chmod(0o600)
    return path


def _index(error: str | None = None, status: int = 200) -> Response:
    cursor = request.args.get("cursor")
    with transaction() as session:
        found = imports.page(session, cursor, LIST)
        names = members.names(session, {item.created_by for item in found.items if item.created_by})
    answer = pages.page(
        "imports/index.html",
        rows=[
            {"item": item, "id": ids.encode("imp", item.id), "by": names.get(item.created_by or 0)}
            for item in found.items
        ],
        percent=imports.percent,
        error=error,
        more=found.next_cursor,
        cursor=cursor,
        most=current_app.config["MAX_CONTENT_LENGTH"] // (1024 * 1024),
    )
    answer.status_code = status
    return answer


def _mapping(
    session: Session,
    item: Import,
    chosen: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
) -> Response:
    answer = pages.page(
        "imports/mapping.html",
        item=item,
        public_id=ids.encode("imp", item.id),
        columns=import_choices.columns(item, chosen, errors),
        fields=import_choices.fields(),
        wishes=import_choices.wishes(session),
        errors=errors,
    )
    answer.status_code = status
    return answer


def _run(session: Session, item: Import) -> dict[str, Any]:
    after = request.args.get("after", 0, int)
    over = item.status in ("finished", "failed")
    shown = imports.refusals(session, item.id, max(after, 0), REFUSALS + 1) if over else []
    looks = request.args.get("n", 0, int)
    return {
        "item": item,
        "public_id": ids.encode("imp", item.id),
        "percent": imports.percent(item),
        "total": int(item.options.get("rows", 0)),
        "running": not over,
        "refusals": shown[:REFUSALS],
        "after": after,
        "following": shown[REFUSALS - 1].id if len(shown) > REFUSALS else None,
        "mapping": [
            (heading, import_mapping.label(target)) for heading, target in item.mapping.items()
        ],
        "looks": looks + 1,
        # A short import is watched closely, a long one less often.
        "every": _FASTEST if looks < 30 else _SLOWEST,
    }
