"""Which relying parties a session has reached, and what became of telling them of its end.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_clients",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sid", sa.String(length=22), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=80), nullable=False),
        sa.Column("their_sid", sa.String(length=22), nullable=False),
        sa.Column("wants_notice", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("answer_class", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_clients")),
        sa.UniqueConstraint("sid", "client_id", name="uq_session_clients_sid"),
    )
    with op.batch_alter_table("session_clients", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_clients_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_session_clients_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index("ix_session_clients_due", ["state", "not_before"], unique=False)
        batch_op.create_index("ix_session_clients_hint", ["client_id", "their_sid"], unique=False)
        batch_op.create_index("ix_session_clients_log", ["client_id", "ended_at"], unique=False)


def downgrade() -> None:
    op.drop_table("session_clients")
