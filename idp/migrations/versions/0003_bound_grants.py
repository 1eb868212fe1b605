"""Refresh families keep resources, authorization details and the keys that a public client's tokens are bound to.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("refresh_families") as table:
        # A default: while nodes of two versions run, the older ones write rows that name none of these.
        table.add_column(sa.Column("resources", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("authorization_details", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("jkt", sa.String(43), nullable=True))
        table.add_column(sa.Column("x5t", sa.String(43), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("refresh_families") as table:
        for name in ("x5t", "jkt", "authorization_details", "resources"):
            table.drop_column(name)
