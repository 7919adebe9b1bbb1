"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.append_only import guard, unguard
from db.columns import Instant, Serial

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "after_sales",
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("responsibility", sa.String(length=16), nullable=False),
        sa.Column("reason_code", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("units", sa.JSON(), nullable=False),
        sa.Column("amounts", sa.JSON(), nullable=False),
        sa.Column("refund_fee", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.Boolean(), nullable=False),
        sa.Column("approved_in_person", sa.Boolean(), nullable=False),
        sa.Column("deadline_policy", sa.String(length=32), nullable=False),
        sa.Column("deadline_at", Instant(), nullable=True),
        sa.Column("alarm_at", Instant(), nullable=True),
        sa.Column("breached_at", Instant(), nullable=True),
        sa.Column("processed_at", Instant(), nullable=True),
        sa.Column("return_carrier", sa.String(length=64), nullable=False),
        sa.Column("return_tracking_no", sa.String(length=64), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("case_no"),
    )
    op.create_index("after_sales_by_change", "after_sales", ["updated_at", "case_no"], unique=False)
    op.create_index(
        "after_sales_by_deadline", "after_sales", ["deadline_at", "case_no"], unique=False
    )
    op.create_index(
        "after_sales_by_merchant",
        "after_sales",
        ["merchant_id", "updated_at", "case_no"],
        unique=False,
    )
    op.create_index(
        "after_sales_by_state", "after_sales", ["state", "updated_at", "case_no"], unique=False
    )
    op.create_index("ix_after_sales_out_trade_no", "after_sales", ["out_trade_no"], unique=False)
    op.create_table(
        "coupons",
        sa.Column("coupon_no", sa.String(length=64), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("openid", sa.String(length=128), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("face_value", sa.BigInteger(), nullable=False),
        sa.Column("keep_if_goods_at_least", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("used_on", sa.String(length=32), nullable=False),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("coupon_no"),
    )
    op.create_index("ix_coupons_out_trade_no", "coupons", ["out_trade_no"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", Serial, nullable=False),
        sa.Column("stream", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("subject_no", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stream", "number", "position", name="events_once"),
    )
    op.create_index("events_by_order", "events", ["out_trade_no"], unique=False)
    op.create_index("events_by_subject", "events", ["subject", "subject_no"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index(
        "ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False
    )
    op.create_table(
        "incidents",
        sa.Column("id", Serial, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=128), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "cause", name="incidents_once"),
    )
    op.create_table(
        "merchants",
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sub_mch_id", sa.String(length=32), nullable=False),
        sa.Column("return_address", sa.JSON(), nullable=False),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("payable", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id"),
    )
    op.create_table(
        "orders",
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("openid", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("pay_state", sa.Integer(), nullable=False),
        sa.Column("total_fee", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("prepay_id", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=32), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("tracking_no", sa.String(length=64), nullable=False),
        sa.Column("deadline_policy", sa.String(length=32), nullable=False),
        sa.Column("deadline_at", Instant(), nullable=True),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("shipped_at", Instant(), nullable=True),
        sa.Column("received_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("out_trade_no"),
    )
    op.create_index("orders_by_change", "orders", ["updated_at", "out_trade_no"], unique=False)
    op.create_index(
        "orders_by_merchant", "orders", ["merchant_id", "updated_at", "out_trade_no"], unique=False
    )
    op.create_index(
        "orders_by_state", "orders", ["state", "updated_at", "out_trade_no"], unique=False
    )
    op.create_table(
        "payments",
        sa.Column("transaction_id", sa.String(length=32), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("total_fee", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.Integer(), nullable=False),
        sa.Column("next_refund_at", Instant(), nullable=True),
        sa.Column("paid_at", Instant(), nullable=False),
        sa.CheckConstraint("held >= 0 AND held <= total_fee", name="payments_cap"),
        sa.PrimaryKeyConstraint("transaction_id"),
    )
    op.create_index("ix_payments_out_trade_no", "payments", ["out_trade_no"], unique=False)
    op.create_index("ix_payments_paid_at", "payments", ["paid_at"], unique=False)
    op.create_table(
        "refund_attempts",
        sa.Column("id", Serial, nullable=False),
        sa.Column("out_refund_no", sa.String(length=64), nullable=False),
        sa.Column("call", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_refund_attempts_out_refund_no", "refund_attempts", ["out_refund_no"], unique=False
    )
    op.create_table(
        "refunds",
        sa.Column("out_refund_no", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("transaction_id", sa.String(length=32), nullable=False),
        sa.Column("refund_fee", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("refund_id", sa.String(length=32), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("accepted_at", Instant(), nullable=True),
        sa.Column("succeeded_at", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("out_refund_no"),
    )
    op.create_index("ix_refunds_accepted_at", "refunds", ["accepted_at"], unique=False)
    op.create_index("ix_refunds_case_no", "refunds", ["case_no"], unique=False)
    op.create_index("ix_refunds_out_trade_no", "refunds", ["out_trade_no"], unique=False)
    op.create_index("refunds_by_state", "refunds", ["state", "updated_at"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("id", Serial, nullable=False),
        sa.Column("cause", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("debit", sa.String(length=4), nullable=False),
        sa.Column("credit", sa.String(length=4), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("merchant_id", sa.String(length=64), nullable=False),
        sa.Column("out_trade_no", sa.String(length=32), nullable=False),
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("out_refund_no", sa.String(length=64), nullable=False),
        sa.CheckConstraint("amount > 0", name="transfers_amount"),
        sa.CheckConstraint("debit <> credit", name="transfers_accounts"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cause", "kind", "debit", "credit", name="transfers_once"),
    )
    op.create_index("transfers_by_merchant", "transfers", ["merchant_id", "at"], unique=False)
    op.create_index("transfers_by_order", "transfers", ["out_trade_no"], unique=False)
    op.create_index("transfers_by_time", "transfers", ["at"], unique=False)
    guard("events", "transfers")


def downgrade() -> None:
    """Take back."""
    op.drop_index("transfers_by_time", table_name="transfers")
    op.drop_index("transfers_by_order", table_name="transfers")
    op.drop_index("transfers_by_merchant", table_name="transfers")
    op.drop_table("transfers")
    op.drop_index("refunds_by_state", table_name="refunds")
    op.drop_index("ix_refunds_out_trade_no", table_name="refunds")
    op.drop_index("ix_refunds_case_no", table_name="refunds")
    op.drop_index("ix_refunds_accepted_at", table_name="refunds")
    op.drop_table("refunds")
    op.drop_index("ix_refund_attempts_out_refund_no", table_name="refund_attempts")
    op.drop_table("refund_attempts")
    op.drop_index("ix_payments_paid_at", table_name="payments")
    op.drop_index("ix_payments_out_trade_no", table_name="payments")
    op.drop_table("payments")
    op.drop_index("orders_by_state", table_name="orders")
    op.drop_index("orders_by_merchant", table_name="orders")
    op.drop_index("orders_by_change", table_name="orders")
    op.drop_table("orders")
    op.drop_table("merchants")
    op.drop_table("incidents")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("events_by_subject", table_name="events")
    op.drop_index("events_by_order", table_name="events")
    op.drop_table("events")
    op.drop_index("ix_coupons_out_trade_no", table_name="coupons")
    op.drop_table("coupons")
    op.drop_index("ix_after_sales_out_trade_no", table_name="after_sales")
    op.drop_index("after_sales_by_state", table_name="after_sales")
    op.drop_index("after_sales_by_merchant", table_name="after_sales")
    op.drop_index("after_sales_by_deadline", table_name="after_sales")
    op.drop_index("after_sales_by_change", table_name="after_sales")
    op.drop_table("after_sales")
    unguard()
