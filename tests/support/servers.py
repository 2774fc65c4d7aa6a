"""One real PostgreSQL and one real Valkey for the whole run, however many workers share it.

The controlling process starts them before the first worker and stops them at the end. Workers are
its children and find the addresses in the environment.
"""

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app import migrate
from app.embedded import Embedded
from app.sending import partitions

TEMPLATE_URL = "HERALD_TEST_DATABASE_URL"
REDIS_URL = "HERALD_TEST_REDIS_URL"

# Nothing of a test must survive a power cut.
_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "200",
}
_RUNNING = pytest.StashKey[tuple[Embedded, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, and migrate the database that every worker copies."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="herald-tests-"))
    servers = Embedded(folder, postgres_options=_QUICK)
    config.stash[_RUNNING] = (servers, folder)
    urls = servers.start()
    migrate.upgrade(urls.database_url)
    _cover_test_time(urls.database_url)
    os.environ[TEMPLATE_URL] = urls.database_url
    os.environ[REDIS_URL] = urls.redis_url


def _cover_test_time(url: str) -> None:
    """Partitions for the months in which tests play, whatever today's date is."""
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session:
        partitions.ensure(
            session, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)
        )
        session.commit()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers and remove what they wrote."""
    if _RUNNING in config.stash:
        servers, folder = config.stash[_RUNNING]
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
