"""What every process of Herald has, whether it serves pages or sends: settings, database, queue,
cache and providers. The web application (`app.factory`) is this with its doors.
"""

from typing import Any, Final

import orjson
from flask import Flask

from app import cache, jobs, priority, tables
from app.db import db, must_live
from app.sending import engine
from app.settings import Settings, SettingsError

# A process without doors uses tables of modules that nothing else in it imports.
TABLES: Final = tables.metadata


def create_core(settings: Settings) -> Flask:
    """An application without a single door: for workers, the scheduler and commands.

    Raises SettingsError when the database or the queue is not named.
    """
    app = Flask("herald", static_folder=None)
    equip(app, settings)
    return app


def equip(app: Flask, settings: Settings) -> None:
    """Give an application what every process has. Raises SettingsError, as above."""
    for name, url in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if not url:
            raise SettingsError(
                f"{name} is missing. Set it, or start with `herald up` or `make run`."
            )
    app.config.update(
        HERALD=settings,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(),
    )
    db.init_app(app)
    jobs.init_app(app, settings.redis_url, settings.queue_prefix())
    cache.init_app(app, settings.redis_url, settings.queue_prefix())
    engine.init_app(app, settings)


def engine_options() -> dict[str, Any]:
    """How this process talks to PostgreSQL: nothing waits for ever, a lost server is noticed."""
    return {
        "pool_size": 10,
        "max_overflow": 10,
        "pool_timeout": 4,
        "pool_events": [(must_live, "checkout"), (priority.like_ours, "connect")],
        "pool_recycle": 1800,
        "hide_parameters": True,  # they hold people's data, and errors are logged
        "json_serializer": _to_json,
        "json_deserializer": orjson.loads,
        "connect_args": {
            "connect_timeout": 3,
            "application_name": "herald",
            "options": "-c statement_timeout=30s -c lock_timeout=10s"
            " -c idle_in_transaction_session_timeout=60s",
        },
    }


def _to_json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
