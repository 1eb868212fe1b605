"""Signing keys that follow each other, and who has fetched them.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("signing_keys") as table:
        table.add_column(sa.Column("service", sa.String(length=20), nullable=False, server_default="sealed"))
        table.add_column(sa.Column("public_jwk", sa.JSON(), nullable=True))
        table.add_column(sa.Column("reason", sa.String(length=80), nullable=True))
        table.alter_column("pem_sealed", new_column_name="handle", existing_type=sa.LargeBinary(), nullable=True)
        table.drop_constraint("uq_signing_keys_alg_slot", type_="unique")
        table.drop_column("slot")
    _publish_old_keys()
    with op.batch_alter_table("signing_keys") as table:
        table.alter_column("service", existing_type=sa.String(length=20), nullable=False, server_default=None)
        table.alter_column("public_jwk", existing_type=sa.JSON(), nullable=False)
    for state in ("active", "next"):
        only = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_signing_keys_{state}", "signing_keys", ["alg"], unique=True, sqlite_where=only, postgresql_where=only
        )
    op.create_table(
        "client_sources",
        sa.Column("client_id", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "source", name="pk_client_sources"),
    )
    op.create_index("ix_client_sources_used_at", "client_sources", ["used_at"])
    op.create_table(
        "jwks_fetches",
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("newest_key_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_jwks_fetches"),
    )
    op.create_index("ix_jwks_fetches_fetched_at", "jwks_fetches", ["fetched_at"])


def downgrade() -> None:
    op.drop_table("jwks_fetches")
    op.drop_table("client_sources")
    op.drop_index("uq_signing_keys_active", "signing_keys")
    op.drop_index("uq_signing_keys_next", "signing_keys")
    # What the older version cannot tell apart: it would sign with any of these, or lacks their private half.
    op.execute("DELETE FROM signing_keys WHERE state <> 'active' OR service <> 'sealed'")
    with op.batch_alter_table("signing_keys") as table:
        table.add_column(sa.Column("slot", sa.Integer(), nullable=False, server_default="1"))
        table.alter_column("handle", new_column_name="pem_sealed", existing_type=sa.LargeBinary(), nullable=False)
        table.drop_column("reason")
        table.drop_column("public_jwk")
        table.drop_column("service")
        table.create_unique_constraint("uq_signing_keys_alg_slot", ["alg", "slot"])


def _publish_old_keys() -> None:
    """Write down the public half of keys that were made before it had a column: it is inside the sealed key."""
    from idp import crypto
    from idp.oidc.jose.own import load_key

    keys = sa.table(
        "signing_keys", sa.column("kid"), sa.column("alg"), sa.column("handle"), sa.column("public_jwk", sa.JSON())
    )
    connection = op.get_bind()
    for kid, alg, handle in connection.execute(sa.select(keys.c.kid, keys.c.alg, keys.c.handle)).all():
        pem = crypto.unseal(bytes(handle), context=f"signing_key:pem:{kid}")
        public = dict(load_key(pem, alg).public_jwk)
        connection.execute(keys.update().where(keys.c.kid == kid).values(public_jwk=public))
