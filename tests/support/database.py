"""A database and a Valkey number per worker, empty at the start of every test that asks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.support.servers import REDIS_URL, TEMPLATE_URL


class Database:
    """The database of one worker: a copy of the migrated one, and a quick way to empty it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kept: psycopg.Connection | None = None
        self._tables = self._names()
        self._seeded = self._used()
        self._keep_seeds()

    def clean(self) -> None:
        """Back to the state after the migrations. Only tables that hold rows are touched."""
        for name in self._used():
            self._cleaner().execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        for name in self._seeded:
            table = sql.Identifier(name)
            kept = sql.Identifier("seed", name)
            command = sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}")
            self._cleaner().execute(command.format(table, kept))

    def _cleaner(self) -> psycopg.Connection:
        """A connection that is kept from test to test: it knows its statements by heart."""
        if self._kept is None:
            self._kept = psycopg.connect(_plain(self.url), autocommit=True)
            self._kept.execute("SET lock_timeout = '10s'")
            self._kept.execute("SET session_replication_role = replica")
        return self._kept

    def rest(self) -> None:
        """Nobody of ours is connected."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def copied(self, name: str) -> str:
        """Copy it as it is now; returns the URL of the copy.

        Whoever is still connected is cut off: a thread of a test that has ended.
        """
        self.rest()
        source = make_url(self.url)
        cut_off = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(_plain(source.set(database="postgres"))) as connection:
            connection.execute(cut_off, [source.database])
        return fresh_database(name, template=str(source.database))

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """A connection of its own, beside those of the application."""
        with psycopg.connect(_plain(self.url), autocommit=True) as connection:
            yield connection

    def _names(self) -> list[str]:
        rows = self._cleaner().execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND relname <> 'alembic_version' ORDER BY relname"
        )
        return [row[0] for row in rows]

    def _used(self) -> list[str]:
        question = sql.SQL("SELECT {}, EXISTS (SELECT FROM {})")
        parts = [question.format(sql.Literal(n), sql.Identifier(n)) for n in self._tables]
        rows = self._cleaner().execute(sql.SQL(" UNION ALL ").join(parts))
        return [name for name, used in rows if used]

    def _keep_seeds(self) -> None:
        self._cleaner().execute("CREATE SCHEMA seed")
        for name in self._seeded:
            command = sql.SQL("CREATE TABLE {} AS TABLE {}")
            kept, table = sql.Identifier("seed", name), sql.Identifier(name)
            self._cleaner().execute(command.format(kept, table))


def _plain(url: str | URL) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def fresh_database(name: str, template: str = "template0") -> str:
    """Create a database beside the others, a copy of `template`; returns its URL."""
    migrated = make_url(os.environ[TEMPLATE_URL])
    with psycopg.connect(_plain(migrated.set(database="postgres")), autocommit=True) as connection:
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
    return migrated.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def own_database(worker_id: str) -> Iterator[Database]:
    """This worker's database, made once."""
    migrated = make_url(os.environ[TEMPLATE_URL]).database
    url = fresh_database(f"test_{worker_id}", template=str(migrated))
    found = Database(url)
    yield found
    found.rest()


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> str:
    """This worker's numbered database in Valkey."""
    number = 1 + int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    return os.environ[REDIS_URL].rpartition("/")[0] + f"/{number % 16}"


@pytest.fixture
def database(own_database: Database) -> Database:
    """This worker's database, as it is after the migrations."""
    own_database.clean()
    return own_database


@pytest.fixture
def valkey(redis_url: str) -> Iterator["redis.Redis"]:
    """A client of this worker's Valkey, which is empty."""
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.close()
