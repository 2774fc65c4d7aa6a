"""A message that is handed over changes no indexed column, so its row is updated in place (HOT).

Waiting messages are found by `send_after`, dead letters by `dead_at`: both stay empty on the usual
way. Where `handed_at` is looked for, a block range index does (those allow HOT, PostgreSQL 16). Pages keep room for the second version of their rows. One index fewer on attempts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
FILL = 45


def upgrade() -> None:
    op.add_column("notification", sa.Column("dead_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "update notification set dead_at = coalesce(final_at, now()) where status = 'failed'"
    )
    for name in ("held", "unknown", "dead_letter"):
        op.drop_index(f"ix_notification_{name}", table_name="notification")
    op.create_index(
        "ix_notification_waiting",
        "notification",
        ["send_after"],
        unique=False,
        postgresql_where=sa.text("send_after is not null"),
    )
    op.create_index(
        "ix_notification_dead_letter",
        "notification",
        ["id"],
        unique=False,
        postgresql_where=sa.text("dead_at is not null and discarded_at is null"),
    )
    op.drop_index("ix_notification_no_receipt", table_name="notification")
    op.create_index(
        "ix_notification_handed_at",
        "notification",
        ["handed_at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
    for partition in _partitions():
        op.execute(f'alter table "{partition}" set (fillfactor = {FILL})')
    op.drop_constraint(op.f("uq_attempt_batch_id_fence_notification_id"), "attempt")
    op.drop_index("ix_attempt_notification_id", table_name="attempt")
    op.create_unique_constraint(
        op.f("uq_attempt_notification_id_batch_id_fence"),
        "attempt",
        ["notification_id", "batch_id", "fence"],
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_attempt_notification_id_batch_id_fence"), "attempt")
    op.create_unique_constraint(
        op.f("uq_attempt_batch_id_fence_notification_id"),
        "attempt",
        ["batch_id", "fence", "notification_id"],
    )
    op.create_index("ix_attempt_notification_id", "attempt", ["notification_id"], unique=False)
    for partition in _partitions():
        op.execute(f'alter table "{partition}" reset (fillfactor)')
    op.drop_index("ix_notification_handed_at", table_name="notification")
    op.create_index(
        "ix_notification_no_receipt",
        "notification",
        ["handed_at"],
        unique=False,
        postgresql_where=sa.text("status = 'accepted' and provider in ('sendgrid', 'twilio')"),
    )
    op.drop_index("ix_notification_dead_letter", table_name="notification")
    op.drop_index("ix_notification_waiting", table_name="notification")
    op.create_index(
        "ix_notification_dead_letter",
        "notification",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed' and discarded_at is null"),
    )
    for status in ("held", "unknown"):
        op.create_index(
            f"ix_notification_{status}",
            "notification",
            ["send_after"],
            unique=False,
            postgresql_where=sa.text(f"status = '{status}'"),
        )
    op.drop_column("notification", "dead_at")


def _partitions() -> list[str]:
    found = op.get_bind().execute(
        sa.text(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'notification'::regclass"
        )
    )
    return list(found.scalars())
