"""The failure drill: hurt a Herald on purpose, and see that nothing is lost."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, current_app, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.console import access, forms, pages
from app.db import transaction
from app.drill import disk
from app.drill.faults import DISK_FULL, FAULTS
from app.drill.runs import Run, Runs, Wish
from app.errors import Conflict, FieldError, Invalid
from app.settings import Settings

blueprint: Final = Blueprint("drill", __name__, url_prefix="/drill")
POLL: Final = 2
# More belongs on the command line: the machine is busy for as long as it takes.
LEAST_MESSAGES, MOST_MESSAGES = 10, 10_000
MOST_ROUNDS: Final = 5
DEFAULTS: Final = {"fault": "kill-worker", "messages": "1000", "rounds": "1"}
WORDS: Final = {
    "kill-worker": ("Kill the workers", "Each alone, then both, while their calls are open."),
    "pause-worker": (
        "Freeze a worker",
        "It stands still for 40 s, longer than its lease, and wakes up.",
    ),
    "kill-web": ("Kill the web server", "Twice, while requests come in."),
    "flush-redis": ("Empty the queue", "Five times in a row."),
    "stop-redis": ("Stop the queue", "It stands still for 8 s and dies."),
    "restart-postgres": ("Kill the database", "At once, as a power cut does."),
    "provider-500": ("Provider answers 500", "Every call is refused for 15 s."),
    "provider-429": ("Provider answers 429", "Every call is put off for 10 s."),
    "provider-blackhole": ("Provider is silent", "Messages are taken, answers come 20 s late."),
    "provider-reset": ("Provider hangs up", "Messages are taken, answers break off, for 10 s."),
    "shuffle-webhooks": ("Shuffle webhooks", "Each three times, in any order, before the answer."),
    "three-schedulers": ("Three schedulers", "Three at once, then the first dies."),
    DISK_FULL: ("Fill the disk", "The database cannot write a byte for 10 s. Needs root."),
    "random": ("Three at random", "One after the other."),
}


@blueprint.get("")
@access.allow("drill.run")
def index() -> Response:
    """The form, the drill that runs, and the last results."""
    context = _state()
    return _page(_chosen_before(context["running"]), {}, context)


@blueprint.get("/_state")
@access.allow("drill.run")
def state() -> Response:
    """What is going on, asked for while a drill runs."""
    return pages.fragment("drill/_state.html", url_for("drill.index"), oob=True, **_state())


@blueprint.post("")
@access.allow("drill.run")
def start() -> AnyResponse:
    """Start a drill, unless one runs."""
    if not _settings().only_sandbox():
        raise Conflict("A drill runs only where every channel talks to the sandbox.")
    typed = {name: forms.text(name) for name in DEFAULTS}
    try:
        fault, messages, rounds = _chosen(typed)
    except Invalid as refused:
        answer = _page(typed, refused.by_field(), _state())
        answer.status_code = 422
        return answer
    now = clock.now()
    if not _runs().start(Wish(fault, messages, rounds, current_user.name, now)):
        raise Conflict("A drill is running already. Wait for its end, or stop it.")
    with transaction() as session:
        detail = {"messages": messages, "rounds": rounds}
        audit.record(session, access.actor(), "drill.start", fault, detail, now)
    return pages.go(url_for("drill.index"))


@blueprint.post("/stop")
@access.allow("drill.run")
def stop() -> AnyResponse:
    """End the drill that runs."""
    run = _runs().stop()
    if run is None:
        raise Conflict("No drill is running.")
    with transaction() as session:
        fault = run.wish.fault
        audit.record(session, access.actor(), "drill.cancel", fault, None, clock.now())
    return pages.go(url_for("drill.index"))


def _page(
    typed: Mapping[str, str], errors: Mapping[str, str], state: Mapping[str, Any]
) -> Response:
    return pages.page(
        "drill/index.html",
        allowed=_settings().only_sandbox(),
        typed=typed,
        errors=errors,
        most=MOST_MESSAGES,
        most_rounds=MOST_ROUNDS,
        **state,
    )


def _chosen_before(running: Run | None) -> Mapping[str, str]:
    """The form shows what the drill that runs was asked for."""
    if running is None:
        return DEFAULTS
    wish = running.wish
    return {"fault": wish.fault, "messages": str(wish.messages), "rounds": str(wish.rounds)}


def _state() -> dict[str, Any]:
    runs = _runs().latest(2)
    running = runs[0] if runs and runs[0].running else None
    ended = [run for run in runs if not run.running]
    return {
        "running": running,
        "last": ended[0] if ended else None,
        "percent": _percent(running) if running else 0,
        "words": WORDS,
        "every": POLL,
    }


def _percent(run: Run) -> int:
    """Rounds that are done, and how far the one is that runs, by what was said of it."""
    steps = [line for line in run.said if line.startswith("Round ")][-3:]
    current = f"Round {len(run.rounds) + 1} "
    within = sum(0.25 for line in steps if line.startswith(current))
    return min(99, round((len(run.rounds) + within) / run.wish.rounds * 100))


def _chosen(typed: dict[str, str]) -> tuple[str, int, int]:
    """Raises Invalid with everything that is wrong."""
    wrong = []
    if typed["fault"] not in FAULTS:
        wrong.append(FieldError("/fault", "invalid_choice", "Choose a fault of the list."))
    elif typed["fault"] == DISK_FULL:
        try:
            disk.check()
        except disk.CannotMountError as error:
            wrong.append(FieldError("/fault", "not_allowed", str(error)))
    limits = {"messages": (LEAST_MESSAGES, MOST_MESSAGES), "rounds": (1, MOST_ROUNDS)}
    for name, (least, most) in limits.items():
        value = typed[name]
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
        if not least <= number <= most:
            message = f"Enter a whole number from {least:,} to {most:,}."
            wrong.append(FieldError(f"/{name}", "out_of_range", message))
    if wrong:
        raise Invalid(wrong)
    return typed["fault"], int(typed["messages"]), int(typed["rounds"])


def _settings() -> Settings:
    found: Settings = current_app.config["HERALD"]
    return found


def _runs() -> Runs:
    return Runs(_settings().var_dir)
