"""How fast a campaign may go, and how important it is when people have had enough messages."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("campaign", sa.Column("rate", sa.Integer(), nullable=True))
    op.add_column(
        "campaign", sa.Column("importance", sa.Text(), server_default="normal", nullable=False)
    )
    op.create_check_constraint(op.f("ck_campaign_rate"), "campaign", "rate > 0")
    op.create_check_constraint(
        op.f("ck_campaign_importance"), "campaign", "importance in ('normal', 'high')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_campaign_importance"), "campaign", type_="check")
    op.drop_constraint(op.f("ck_campaign_rate"), "campaign", type_="check")
    op.drop_column("campaign", "importance")
    op.drop_column("campaign", "rate")
