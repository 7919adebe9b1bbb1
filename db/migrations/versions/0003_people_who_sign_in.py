"""People who sign in, what they were refused and read; the indexes that the console's lists use."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.append_only import guard
from db.columns import Instant, Serial

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = {
    "after_sales": {
        "after_sales_by_desk": ["state", "deadline_at", "case_no"],
        "after_sales_by_merchant_state": ["merchant_id", "state", "updated_at", "case_no"],
        "after_sales_by_merchant_desk": ["merchant_id", "state", "deadline_at", "case_no"],
        "after_sales_by_opening": ["opened_at"],
    },
    "orders": {
        "orders_by_merchant_state": ["merchant_id", "state", "updated_at", "out_trade_no"],
        "orders_by_buyer": ["openid"],
    },
    "refunds": {
        "refunds_by_change": ["updated_at", "out_refund_no"],
        "refunds_by_wechat_number": ["refund_id"],
    },
    "incidents": {"incidents_open": ["handled_at", "id"]},
}


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("is_sandbox", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("disabled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("utc_offset_minutes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_sessions_name", "sessions", ["name"])
    op.create_table(
        "sign_in_failures",
        sa.Column("id", Serial, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sign_in_failures_by_name", "sign_in_failures", ["name", "at"])
    op.create_index("sign_in_failures_by_address", "sign_in_failures", ["address", "at"])
    op.create_table(
        "audit",
        sa.Column("id", Serial, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_actor", "audit", ["actor", "id"])
    guard("audit")
    op.add_column("incidents", sa.Column("handled_at", Instant(), nullable=True))
    op.add_column(
        "incidents",
        sa.Column("handled_by", sa.String(length=100), nullable=False, server_default=""),
    )
    op.add_column(
        "incidents", sa.Column("note", sa.String(length=500), nullable=False, server_default="")
    )
    for table, indexes in INDEXES.items():
        for name, columns in indexes.items():
            op.create_index(name, table, columns)


def downgrade() -> None:
    for table, indexes in INDEXES.items():
        for name in indexes:
            op.drop_index(name, table_name=table)
    for column in ("note", "handled_by", "handled_at"):
        op.drop_column("incidents", column)
    for table in ("audit", "sign_in_failures", "sessions", "users"):
        op.drop_table(table)
