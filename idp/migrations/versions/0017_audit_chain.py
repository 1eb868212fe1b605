"""Audit events get a keyed digest and a place in a chain that is signed from time to time.

Events that are there already were written before the chain: it begins after them.

Revision ID: 0017
Revises: 0015
"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("uid", sa.String(length=22), nullable=True))
        batch_op.add_column(sa.Column("administrator", sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column("mac", sa.LargeBinary(length=32), nullable=True))
    events = sa.table("audit_events", sa.column("id", sa.Integer), sa.column("uid"), sa.column("mac", sa.LargeBinary))
    op.execute(events.update().values(uid=sa.literal("old-") + sa.cast(events.c.id, sa.String), mac=b""))
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.alter_column("uid", existing_type=sa.String(length=22), nullable=False)
        batch_op.alter_column("mac", existing_type=sa.LargeBinary(length=32), nullable=False)
        batch_op.create_index(batch_op.f("ix_audit_events_administrator"), ["administrator"], unique=False)
    op.create_table(
        "audit_links",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("link", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_links")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_links_event_id")),
    )
    chain = op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begins_after", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.LargeBinary(length=32), nullable=False),
        sa.Column("highest_id", sa.BigInteger(), nullable=False),
        sa.Column("settled_id", sa.BigInteger(), nullable=False),
        sa.Column("settling_id", sa.BigInteger(), nullable=False),
        sa.Column("settling_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("late_looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chain")),
    )
    op.create_table(
        "audit_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(length=22), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_keys")),
        sa.UniqueConstraint("kid", name=op.f("uq_audit_keys_kid")),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.LargeBinary(length=32), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kid", sa.String(length=22), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checkpoints")),
    )
    with op.batch_alter_table("audit_checkpoints", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_checkpoints_position"), ["position"], unique=False)
    newest = op.get_bind().scalar(sa.select(sa.func.max(events.c.id)))
    if newest:
        first = hashlib.sha256(f"sesame audit chain, after {newest}".encode()).digest()
        op.execute(
            chain.insert().values(
                id=1, begins_after=newest, position=0, link=first, highest_id=newest, settled_id=newest,
                settling_id=newest,
            )
        )  # fmt: skip


def downgrade() -> None:
    for table in ("audit_checkpoints", "audit_keys", "audit_chain", "audit_links"):
        op.drop_table(table)
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_events_administrator"))
        batch_op.drop_column("mac")
        batch_op.drop_column("administrator")
        batch_op.drop_column("uid")
