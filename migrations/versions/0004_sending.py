"""The message log, batches, attempts, lanes and counters."""

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint(
            "batch_id",
            "fence",
            "notification_id",
            name=op.f("uq_attempt_batch_id_fence_notification_id"),
        ),
    )
    op.create_index("ix_attempt_notification_id", "attempt", ["notification_id"], unique=False)
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("accepted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deaths", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "nudged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('pending', 'claimed', 'dispatching', 'done', 'unknown', 'parked')",
            name=op.f("ck_batch_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
    )
    op.create_index(
        "ix_batch_campaign_id_open",
        "batch",
        ["campaign_id"],
        unique=False,
        postgresql_where=sa.text("state in ('pending', 'claimed', 'dispatching')"),
    )
    op.create_index(
        "ix_batch_open",
        "batch",
        ["state", "nudged_at"],
        unique=False,
        postgresql_where=sa.text("state in ('pending', 'claimed', 'dispatching')"),
    )
    op.create_table(
        "copy",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_copy")),
    )
    op.create_table(
        "idempotency",
        sa.Column("api_key_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("api_key_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
    op.create_table(
        "lane_state",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", "lane", name=op.f("pk_lane_state")),
    )
    op.create_table(
        "ledger_count",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign_id", "channel", "hour", "status", "reason", name=op.f("pk_ledger_count")
        ),
    )
    op.create_index("ix_ledger_count_hour", "ledger_count", ["hour"], unique=False)
    op.create_table(
        "ledger_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_delta")),
    )
    op.create_index("ix_ledger_delta_campaign_id", "ledger_delta", ["campaign_id"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("topic_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("api_key_id", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("fallback", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("send_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("final_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'held', 'sending', 'accepted', 'delivered', 'bounced', 'failed', 'skipped', 'cancelled', 'expired', 'unknown')",
            name=op.f("ck_notification_status"),
        ),
        sa.PrimaryKeyConstraint("id", "accepted_at", name=op.f("pk_notification")),
        postgresql_partition_by="RANGE (accepted_at)",
    )
    op.create_index(
        "ix_notification_contact_id_id",
        "notification",
        ["contact_id", sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index(
        "ix_notification_dead_letter",
        "notification",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_notification_held",
        "notification",
        ["send_after"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_index(
        "ix_notification_previous_id",
        "notification",
        ["previous_id"],
        unique=False,
        postgresql_where=sa.text("previous_id is not null"),
    )
    op.create_index(
        "ix_notification_unknown",
        "notification",
        ["send_after"],
        unique=False,
        postgresql_where=sa.text("status = 'unknown'"),
    )
    op.create_index(
        "uq_notification_campaign_address",
        "notification",
        ["campaign_id", "channel", "address", "accepted_at"],
        unique=True,
        postgresql_where=sa.text("campaign_id is not null and previous_id is null"),
    )
    op.create_table(
        "sign_in_throttle",
        sa.Column("email_hash", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("email_hash", name=op.f("pk_sign_in_throttle")),
    )
    op.create_table(
        "member_session",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.id"],
            name=op.f("fk_member_session_member_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_member_session")),
    )
    op.create_index(
        op.f("ix_member_session_member_id"), "member_session", ["member_id"], unique=False
    )
    for statement in _partitions(datetime.now(UTC)):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_member_session_member_id"), table_name="member_session")
    op.drop_table("member_session")
    op.drop_table("sign_in_throttle")
    op.drop_index(
        "uq_notification_campaign_address",
        table_name="notification",
        postgresql_where=sa.text("campaign_id is not null and previous_id is null"),
    )
    op.drop_index(
        "ix_notification_unknown",
        table_name="notification",
        postgresql_where=sa.text("status = 'unknown'"),
    )
    op.drop_index(
        "ix_notification_previous_id",
        table_name="notification",
        postgresql_where=sa.text("previous_id is not null"),
    )
    op.drop_index(
        "ix_notification_held",
        table_name="notification",
        postgresql_where=sa.text("status = 'held'"),
    )
    op.drop_index(
        "ix_notification_dead_letter",
        table_name="notification",
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.drop_index("ix_notification_contact_id_id", table_name="notification")
    op.drop_table("notification")
    op.drop_index("ix_ledger_delta_campaign_id", table_name="ledger_delta")
    op.drop_table("ledger_delta")
    op.drop_index("ix_ledger_count_hour", table_name="ledger_count")
    op.drop_table("ledger_count")
    op.drop_table("lane_state")
    op.drop_index("ix_idempotency_created_at", table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_table("copy")
    op.drop_index(
        "ix_batch_open",
        table_name="batch",
        postgresql_where=sa.text("state in ('pending', 'claimed', 'dispatching')"),
    )
    op.drop_index(
        "ix_batch_campaign_id_open",
        table_name="batch",
        postgresql_where=sa.text("state in ('pending', 'claimed', 'dispatching')"),
    )
    op.drop_table("batch")
    op.drop_index("ix_attempt_notification_id", table_name="attempt")
    op.drop_table("attempt")


def _partitions(now: datetime) -> Iterator[str]:
    """The 13 months behind us and 3 ahead; the scheduler makes the later ones."""
    first = now.year * 12 + now.month - 1 - 13
    for month in range(first, first + 17):
        name = f"notification_{month // 12}_{month % 12 + 1:02d}"
        begin = f"{month // 12}-{month % 12 + 1:02d}-01"
        end = f"{(month + 1) // 12}-{(month + 1) % 12 + 1:02d}-01"
        yield (
            f"create table {name} partition of notification "
            f"for values from ('{begin} 00:00+00') to ('{end} 00:00+00')"
        )
