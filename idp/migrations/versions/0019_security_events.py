"""Security events wait for their services, and a session's client may want to hear that it was revoked.

Revision ID: 0019
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("session_clients", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wants_event", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("session_clients", schema=None) as batch_op:
        batch_op.alter_column("wants_event", existing_type=sa.Boolean(), nullable=False, server_default=None)
    op.create_table(
        "security_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=80), nullable=False),
        sa.Column("jti", sa.String(length=22), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("their_sid", sa.String(length=22), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("answer_class", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_events")),
    )
    with op.batch_alter_table("security_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_security_events_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_security_events_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index("ix_security_events_due", ["state", "not_before"], unique=False)
        batch_op.create_index("ix_security_events_log", ["client_id", "happened_at"], unique=False)


def downgrade() -> None:
    op.drop_table("security_events")
    with op.batch_alter_table("session_clients", schema=None) as batch_op:
        batch_op.drop_column("wants_event")
