"""Breakers of provider accounts, paces, turns of campaigns; a lane is closed by its provider now."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "provider_account",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("open_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cause in ('failing', 'silent', 'throttled', 'config')",
            name=op.f("ck_provider_account_cause"),
        ),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_account")),
    )
    op.create_table(
        "pace",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column(
            "next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pace")),
    )
    op.add_column("batch", sa.Column("provider", sa.Text(), nullable=True))
    op.create_index(
        "ix_batch_turn",
        "batch",
        ["channel", sa.literal_column("coalesce(campaign_id, 0)"), "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' and lane = 'bulk'"),
    )
    op.create_index(
        "ix_batch_running",
        "batch",
        ["channel", sa.literal_column("coalesce(campaign_id, 0)")],
        unique=False,
        postgresql_where=sa.text("state in ('claimed', 'dispatching') and lane = 'bulk'"),
    )
    op.drop_column("lane_state", "closed_reason")
    op.drop_column("lane_state", "closed_until")


def downgrade() -> None:
    op.add_column(
        "lane_state", sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("lane_state", sa.Column("closed_reason", sa.Text(), nullable=True))
    op.drop_index("ix_batch_running", table_name="batch")
    op.drop_index("ix_batch_turn", table_name="batch")
    op.drop_column("batch", "provider")
    op.drop_table("pace")
    op.drop_table("provider_account")
