"""Attempts tell when the provider was asked about a lost answer, and whether it had nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("attempt", sa.Column("unlisted", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "unlisted")
    op.drop_column("attempt", "asked_at")
