"""Messages on their way out hold their place under the frequency cap."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "cap_hold",
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_cap_hold")),
    )
    op.create_index("ix_cap_hold_contact_id", "cap_hold", ["contact_id"], unique=False)
    op.create_index("ix_cap_hold_batch_id", "cap_hold", ["batch_id"], unique=False)


def downgrade() -> None:
    op.drop_table("cap_hold")
