"""Clients that register themselves: initial access tokens, registration access tokens, logos.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "initial_access_tokens",
        sa.Column("id", sa.String(22), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_initial_access_tokens")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_initial_access_tokens_fingerprint")),
    )
    op.create_table(
        "client_logos",
        sa.Column("client_id", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_client_logos_client_id_clients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_client_logos")),
    )
    op.create_index(op.f("ix_client_logos_digest"), "client_logos", ["digest"])
    op.create_table(
        "self_registrations",
        sa.Column("client_id", sa.String(80), nullable=False),
        sa.Column("initial_token_id", sa.String(22), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_self_registrations_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["initial_token_id"],
            ["initial_access_tokens.id"],
            name=op.f("fk_self_registrations_initial_token_id_initial_access_tokens"),
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_self_registrations")),
    )
    op.create_index(op.f("ix_self_registrations_initial_token_id"), "self_registrations", ["initial_token_id"])


def downgrade() -> None:
    op.drop_table("self_registrations")
    op.drop_table("client_logos")
    op.drop_table("initial_access_tokens")
