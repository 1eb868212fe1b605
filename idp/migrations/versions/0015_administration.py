"""Administrators with roles and passkeys, their changes, their tokens; clients that are archived, secrets with a name.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("administrators", schema=None) as batch_op:
        batch_op.alter_column("password_hash", existing_type=sa.String(255), nullable=True)
        batch_op.add_column(sa.Column("password_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("account_id", sa.String(22), nullable=True))
        batch_op.add_column(sa.Column("roles", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch_op.create_foreign_key(op.f("fk_administrators_account_id"), "accounts", ["account_id"], ["id"])
        batch_op.create_unique_constraint(op.f("uq_administrators_account_id"), ["account_id"])
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.add_column(sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("client_secrets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("label", sa.String(60), nullable=False, server_default=""))
    op.create_table(
        "admin_changes",
        sa.Column("id", sa.String(22), nullable=False),
        sa.Column("act", sa.String(40), nullable=False),
        sa.Column("target", sa.String(80), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(60), nullable=False),
        sa.Column("surface", sa.String(10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(60), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.String(60), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'applied', 'refused', 'withdrawn', 'outdated')", name=op.f("ck_admin_changes_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_changes")),
    )
    with op.batch_alter_table("admin_changes", schema=None) as batch_op:
        batch_op.create_index("ix_admin_changes_target", ["target", "created_at"], unique=False)
        batch_op.create_index("ix_admin_changes_state", ["state", "created_at"], unique=False)
    op.create_table(
        "admin_tokens",
        sa.Column("id", sa.String(22), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(60), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("is_service", sa.Boolean(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner"], ["administrators.name"], name=op.f("fk_admin_tokens_owner"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_tokens")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_admin_tokens_fingerprint")),
    )
    with op.batch_alter_table("admin_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_admin_tokens_owner", ["owner"], unique=False)


def downgrade() -> None:
    op.drop_table("admin_tokens")
    op.drop_table("admin_changes")
    with op.batch_alter_table("client_secrets", schema=None) as batch_op:
        batch_op.drop_column("label")
    with op.batch_alter_table("clients", schema=None) as batch_op:
        batch_op.drop_column("archived_at")
    op.execute("DELETE FROM administrators WHERE password_hash IS NULL")
    with op.batch_alter_table("administrators", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("uq_administrators_account_id"), type_="unique")
        batch_op.drop_constraint(op.f("fk_administrators_account_id"), type_="foreignkey")
        for column in ("version", "disabled_at", "roles", "account_id", "password_until"):
            batch_op.drop_column(column)
        batch_op.alter_column("password_hash", existing_type=sa.String(255), nullable=False)
