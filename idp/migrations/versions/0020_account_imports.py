"""How far an import of accounts has come, so that a stopped one goes on.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_imports",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("line", "added", "present", "changed", "refused")),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("surveyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_account_imports")),
    )


def downgrade() -> None:
    op.drop_table("account_imports")
