"""The migrations say exactly what the models say, and can be undone."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from app import migrate
from app.tables import metadata
from tests.support.database import Database, fresh_database


def test_the_migrations_make_what_the_models_say(own_database: Database) -> None:
    options = {"include_name": migrate.is_described, "compare_type": True}
    with create_engine(own_database.url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_all_steps_go_up_down_and_up_again(worker_id: str) -> None:
    url = fresh_database(f"migrations_{worker_id}")
    assert migrate.upgrade(url) == migrate.head()
    migrate.downgrade(url, "base")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    migrate.upgrade(url)
    assert migrate.at_head(url)


def test_an_empty_database_is_not_at_head(worker_id: str) -> None:
    assert not migrate.at_head(fresh_database(f"empty_{worker_id}"))
