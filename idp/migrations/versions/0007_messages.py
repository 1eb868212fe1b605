"""Since when an account's sign-ins are stopped; devices still to be told of; addresses that bounced.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "new_devices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("sid", sa.String(length=22), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_new_devices")),
    )
    with op.batch_alter_table("new_devices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_new_devices_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_new_devices_at"), ["at"], unique=False)
    op.create_table(
        "undeliverable",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("address_index", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "address_index", name=op.f("pk_undeliverable")),
    )


def downgrade() -> None:
    op.drop_table("undeliverable")
    op.drop_table("new_devices")
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("stopped_at")
