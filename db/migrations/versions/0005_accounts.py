"""Where a session was begun, for its owner to know it by; a second factor at sign-in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "sessions", sa.Column("address", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column(
        "users", sa.Column("totp_secret", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column("users", sa.Column("totp_step", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("users", "totp_step")
    op.drop_column("users", "totp_secret")
    op.drop_column("sessions", "address")
