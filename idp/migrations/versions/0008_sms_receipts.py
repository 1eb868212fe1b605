"""An SMS is found again by the name that its network gave it.

Revision ID: 0008_sms_receipts
Revises: 0007_messages
"""

from alembic import op

revision = "0008_sms_receipts"
down_revision = "0007_messages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_relay_ref", ["relay_ref"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_relay_ref")
