"""The control API under /_control: for tests, drills and the supervisor; loopback only."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from app.sandbox.desk import Desk
from app.sandbox.events import scripted
from app.sandbox.events.emitter import Emitter
from app.sandbox.events.settings import BadSettingsError
from app.sandbox.faults import BadRuleError
from app.sandbox.gate import STREAMS, Gate
from app.sandbox.journal import Line, counts
from app.sandbox.wire import words
from app.sandbox.wires.twilio import Twilio

_STOP = words("stop stopall unsubscribe cancel end quit revoke optout")
_START = words("start yes unstop")
_HELP = words("help info")


@dataclass(frozen=True, slots=True)
class Parts:
    """What can be controlled."""

    desk: Desk
    emitter: Emitter
    twilio: Twilio
    gate: Gate


def control(parts: Parts) -> Blueprint:
    """The control API of one sandbox."""
    api = Blueprint("control", __name__, url_prefix="/_control")

    @api.errorhandler(BadRuleError)
    @api.errorhandler(BadSettingsError)
    def bad(error: ValueError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @api.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=str(error.description)), error.code or 400

    @api.get("/health")
    def health() -> Response:
        return jsonify(ok=True)

    @api.post("/reset")
    def reset() -> Response:
        parts.desk.faults.clear()
        parts.emitter.reset()
        parts.desk.journal.reset()
        parts.desk.store.reset()
        parts.twilio.stopped.clear()
        parts.gate.max_streams = STREAMS
        return jsonify(ok=True)

    _faults(api, parts)
    _records(api, parts.desk, parts.emitter)
    _events(api, parts.desk, parts.emitter)
    _people(api, parts)
    return api


def _faults(api: Blueprint, parts: Parts) -> None:
    faults = parts.desk.faults

    @api.get("/faults")
    def list_faults() -> Response:
        return jsonify(faults.show())

    @api.post("/faults")
    def add_fault() -> tuple[Response, int]:
        return jsonify(faults.add(_body()).describe()), 201

    @api.delete("/faults")
    @api.delete("/faults/<int:number>")
    def clear_faults(number: int | None = None) -> Response:
        return jsonify(cleared=faults.clear(number))

    @api.post("/gate")
    def move_gate() -> Response:
        body = _body()
        parts.gate.max_streams = int(_number(body, "max_streams", parts.gate.max_streams))
        seconds = _number(body, "refuse_s", 0)
        if seconds:
            parts.gate.refuse(seconds)
        return jsonify(max_streams=parts.gate.max_streams)


def _records(api: Blueprint, desk: Desk, emitter: Emitter) -> None:
    @api.get("/journal")
    def read_journal() -> Response:
        wanted = {name: request.args.get(name, "") for name in ("provider", "to", "notification")}
        lines = (line for line in desk.journal.lines() if _fits(line, wanted))
        return jsonify(list(islice(lines, request.args.get("limit", 100_000, type=int))))

    @api.get("/counts")
    def count() -> Response:
        return jsonify(**counts(desk.journal.lines()), events=emitter.figures())


def _events(api: Blueprint, desk: Desk, emitter: Emitter) -> None:
    @api.get("/events")
    def read_events() -> Response:
        return jsonify(auto_events=_settings(emitter), **emitter.figures())

    @api.post("/events")
    def change_events() -> Response:
        emitter.configure(_body())
        return jsonify(auto_events=_settings(emitter))

    @api.post("/events/sendgrid")
    def emit() -> tuple[Response, int]:
        events = _json()
        if not isinstance(events, list):
            raise BadSettingsError("A list of event objects is needed.")
        emitter.emit(events)
        return jsonify(queued=len(events)), 202

    @api.post("/events/<notification>")
    def tell(notification: str) -> tuple[Response, int]:
        wanted = {"notification": notification}
        lines = [line for line in desk.journal.recent.copy() if _fits(line, wanted)]
        accepted = [line for line in lines if line["accepted"]]
        if not accepted:
            raise BadSettingsError(f"notification: no provider has accepted {notification}.")
        scripted.tell(emitter, desk.store, accepted[-1], _body())
        return jsonify(queued=1), 202


def _people(api: Blueprint, parts: Parts) -> None:
    @api.post("/inbound")
    def inbound() -> tuple[Response, int]:
        body = _body()
        sender, text = str(body.get("from", "")), str(body.get("body", ""))
        if not sender:
            raise BadSettingsError("from: a phone number is needed.")
        parts.emitter.text_from(sender, text, _keyword(parts.twilio, sender, text))
        return jsonify(queued=1), 202


def _keyword(twilio: Twilio, sender: str, text: str) -> str:
    """What Twilio itself does with STOP, START and HELP before we hear of it."""
    word = text.strip().casefold()
    if word in _STOP:
        twilio.stopped.add(sender)
        return "STOP"
    if word in _START:
        twilio.stopped.discard(sender)
        return "START"
    return "HELP" if word in _HELP else ""


def _json() -> Any:
    # A page in somebody's browser cannot send this type unasked: nobody is steered from outside.
    if not request.is_json:
        raise UnsupportedMediaType("Send it with Content-Type: application/json.")
    return request.get_json()


def _body() -> dict[str, Any]:
    body = _json()
    if not isinstance(body, dict):
        raise BadSettingsError("A JSON object is needed.")
    return body


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadSettingsError(f"{name}: a number of 0 or more is needed.")
    return value


def _fits(line: Line, wanted: dict[str, str]) -> bool:
    return all(not value or line[name] == value for name, value in wanted.items())


def _settings(emitter: Emitter) -> dict[str, Any]:
    settings = emitter.settings
    return {name: getattr(settings, name) for name in settings.__slots__}
