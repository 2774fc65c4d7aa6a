"""Logs: one line per event, JSON for machines, coloured for a terminal.

Say what happened and to which public id; never to whom. As a net below that rule, fields whose
name tells of an address, a secret or a body are masked before anything is written.
"""

import logging
import re
import sys
from typing import Any, Final

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

MASK: Final = "[hidden]"
# Libraries that tell at level INFO what nobody asked.
_CHATTY: Final = ("alembic", "urllib3", "twilio", "google", "mail.log")
_PRIVATE: Final = re.compile(
    r"(^|_)(to|email|phone|address|token|secret|password|authorization|cookie|key|body|html|text|"
    r"subject|name)$"
)
_ROW: Final = re.compile(r"^DETAIL:.*$", re.MULTILINE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def configure(level: str = "INFO", as_json: bool | None = None) -> None:
    """Send everything, also what libraries log, to standard error in one form.

    `as_json` is decided by whether standard error is a terminal when it is not given.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    plain = not sys.stderr.isatty() if as_json is None else as_json
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(plain),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `get(__name__).info("batch_done", batch=12, accepted=480)`."""
    return structlog.stdlib.get_logger(name)


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide private fields; keep line breaks in values from starting a line of their own."""
    for name, value in event.items():
        event[name] = MASK if _PRIVATE.search(name) and value is not None else _one_line(value)
    return event


def _one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), value)


def without_rows(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """PostgreSQL quotes the whole row that it refuses: it holds people's data."""
    for error in event.get("exception") or ():
        error["exc_value"] = _ROW.sub("DETAIL:  " + MASK, error["exc_value"])
    return event


def _renderers(as_json: bool) -> list[Processor]:
    if as_json:
        # Never the local variables of a traceback: they hold people's data.
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [
            structlog.processors.ExceptionRenderer(frames),
            without_rows,
            structlog.processors.JSONRenderer(),
        ]
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
