"""The `herald` command on this worker's servers."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from app.cli.main import main
from app.settings import Settings

Herald = Callable[..., Result]


@pytest.fixture
def herald(app: Flask, settings: Settings) -> Herald:
    """Runs `herald ARGUMENTS` in this process, as a shell with these settings would."""
    environ = {
        "REDIS_URL": settings.redis_url,
        "HERALD_VAR_DIR": str(settings.var_dir),
        "HERALD_SECRET_KEY": settings.secret_key,
    }

    def run(
        *arguments: str, typed: str | None = None, database: str | None = None, **more: str
    ) -> Result:
        told = environ | {"DATABASE_URL": database or settings.database_url} | more
        return CliRunner(env=told).invoke(main, arguments, input=typed)

    return run
