"""When a client's secret was last used, and how soon before its end somebody was warned.

Revision ID: 0023
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("client_secrets") as table:
        table.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("warned_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("client_secrets") as table:
        table.drop_column("warned_days")
        table.drop_column("last_used_at")
