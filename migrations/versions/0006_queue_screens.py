"""Discarded dead letters, bare addresses by index, batches by when they were done."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
DEAD_LETTER = "ix_notification_dead_letter"


def upgrade() -> None:
    op.add_column(
        "notification", sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.drop_index(DEAD_LETTER, table_name="notification")
    op.create_index(
        DEAD_LETTER,
        "notification",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed' and discarded_at is null"),
    )
    op.create_index(
        "ix_notification_bare_address",
        "notification",
        ["address", sa.literal_column("id desc")],
        unique=False,
        postgresql_where=sa.text("contact_id is null"),
    )
    op.create_index(
        "ix_batch_done_at",
        "batch",
        ["done_at"],
        unique=False,
        postgresql_where=sa.text("done_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_batch_done_at", table_name="batch")
    op.drop_index("ix_notification_bare_address", table_name="notification")
    op.drop_index(DEAD_LETTER, table_name="notification")
    op.create_index(
        DEAD_LETTER,
        "notification",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.drop_column("notification", "discarded_at")
