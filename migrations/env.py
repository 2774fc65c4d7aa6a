"""How Alembic reaches the database: over the connection that `app.migrate` hands in."""

from alembic import context

from app.migrate import is_described
from app.tables import metadata


def run() -> None:
    """Every step in one transaction: all of them, or none."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=is_described,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
