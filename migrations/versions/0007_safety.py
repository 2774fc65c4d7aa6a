"""Where the database lives and whether it is held, what checks found, schedules that were late."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
NO_RECEIPT = "ix_notification_no_receipt"


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("beats", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.Column("discarding_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "checkup",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_checkup")),
    )
    op.add_column("campaign", sa.Column("late_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("campaign", sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        NO_RECEIPT,
        "notification",
        ["handed_at"],
        unique=False,
        postgresql_where=sa.text("status = 'accepted' and provider in ('sendgrid', 'twilio')"),
    )


def downgrade() -> None:
    op.drop_index(NO_RECEIPT, table_name="notification")
    op.drop_column("campaign", "pushed_at")
    op.drop_column("campaign", "late_since")
    op.drop_table("checkup")
    op.drop_table("installation")
