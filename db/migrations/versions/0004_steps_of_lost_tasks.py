"""Steps that a workflow task wrote before it was lost."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.columns import Serial

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "lost_steps",
        sa.Column("event_id", Serial, autoincrement=False, nullable=False),
        sa.Column("stream", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("ix_lost_steps_stream", "lost_steps", ["stream"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("lost_steps")
