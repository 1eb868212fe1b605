"""Since when an account's sign-ins are stopped.

Revision ID: 0007-stops
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007-stops"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("stopped_at")
