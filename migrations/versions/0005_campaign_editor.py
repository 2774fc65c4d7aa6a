"""Who changed a campaign last."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("campaign", sa.Column("updated_by", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_campaign_updated_by"), "campaign", "member", ["updated_by"], ["id"]
    )


def downgrade() -> None:
    op.drop_column("campaign", "updated_by")
