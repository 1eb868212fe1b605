"""Accounts that follow their person in an outside directory.

Revision ID: 0013
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("directory_checked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("left_directory_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index("ix_accounts_directory_checked_at", ["directory_checked_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_index("ix_accounts_directory_checked_at")
        batch_op.drop_column("left_directory_at")
        batch_op.drop_column("directory_checked_at")
