"""The first tables."""

import sqlalchemy as sa
from alembic import op


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('accounts',
    sa.Column('id', sa.String(length=22), nullable=False),
    sa.Column('nir_index', sa.String(length=32), nullable=False),
    sa.Column('nir_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('password_changed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('email_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('email_index', sa.String(length=32), nullable=True),
    sa.Column('email_verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('mobile_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('mobile_index', sa.String(length=32), nullable=True),
    sa.Column('mobile_verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('profile_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('locale', sa.String(length=16), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'restricted', 'disabled')", name=op.f('ck_accounts_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_accounts')),
    sa.UniqueConstraint('nir_index', name=op.f('uq_accounts_nir_index'))
    )
    with op.batch_alter_table('accounts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_accounts_email_index'), ['email_index'], unique=False)
        batch_op.create_index(batch_op.f('ix_accounts_mobile_index'), ['mobile_index'], unique=False)

    op.create_table('administrators',
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_administrators'))
    )
    op.create_table('audit_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('event', sa.String(length=60), nullable=False),
    sa.Column('outcome', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.String(length=80), nullable=True),
    sa.Column('account_id', sa.String(length=36), nullable=True),
    sa.Column('client_id', sa.String(length=80), nullable=True),
    sa.Column('reference', sa.String(length=8), nullable=True),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_events'))
    )
    with op.batch_alter_table('audit_events', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_events_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_events_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_events_client_id'), ['client_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_events_event'), ['event'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_events_reference'), ['reference'], unique=False)

    op.create_table('clients',
    sa.Column('client_id', sa.String(length=80), nullable=False),
    sa.Column('client_metadata', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('suspended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('client_id', name=op.f('pk_clients'))
    )
    op.create_table('code_guards',
    sa.Column('account_id', sa.String(length=36), nullable=False),
    sa.Column('lane', sa.String(length=64), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('pauses', sa.Integer(), nullable=False),
    sa.Column('paused_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('account_id', 'lane', name=op.f('pk_code_guards'))
    )
    op.create_table('outbox',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('idempotency_key', sa.String(length=160), nullable=False),
    sa.Column('subject_ref', sa.String(length=120), nullable=False),
    sa.Column('matter', sa.String(length=120), nullable=False),
    sa.Column('channel', sa.String(length=10), nullable=False),
    sa.Column('purpose', sa.String(length=40), nullable=False),
    sa.Column('account_id', sa.String(length=36), nullable=True),
    sa.Column('recipient', sa.LargeBinary(), nullable=True),
    sa.Column('content', sa.LargeBinary(), nullable=True),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=False),
    sa.Column('deadline', sa.DateTime(timezone=True), nullable=False),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('claimed_by', sa.String(length=80), nullable=True),
    sa.Column('relay', sa.String(length=255), nullable=True),
    sa.Column('relay_ref', sa.String(length=80), nullable=True),
    sa.Column('answer_class', sa.String(length=20), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_outbox_idempotency_key'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_outbox_changed_at'), ['changed_at'], unique=False)
        batch_op.create_index('ix_outbox_ending', ['state', 'deadline'], unique=False)
        batch_op.create_index('ix_outbox_matter', ['matter', 'id'], unique=False)
        batch_op.create_index('ix_outbox_newest', ['state', 'channel', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_outbox_subject_ref'), ['subject_ref'], unique=False)

    op.create_table('refresh_families',
    sa.Column('id', sa.String(length=22), nullable=False),
    sa.Column('client_id', sa.String(length=80), nullable=False),
    sa.Column('account_id', sa.String(length=36), nullable=False),
    sa.Column('sid', sa.String(length=22), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('userinfo_claims', sa.JSON(), nullable=False),
    sa.Column('id_token_claims', sa.JSON(), nullable=False),
    sa.Column('auth_time', sa.DateTime(timezone=True), nullable=False),
    sa.Column('acr', sa.String(length=80), nullable=False),
    sa.Column('amr', sa.JSON(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('rotated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_for', sa.String(length=30), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refresh_families'))
    )
    with op.batch_alter_table('refresh_families', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_refresh_families_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_refresh_families_client_id'), ['client_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_refresh_families_ends_at'), ['ends_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_refresh_families_sid'), ['sid'], unique=False)

    op.create_table('session_records',
    sa.Column('sid', sa.String(length=22), nullable=False),
    sa.Column('account_id', sa.String(length=36), nullable=False),
    sa.Column('state_key', sa.String(length=64), nullable=False),
    sa.Column('device_label', sa.String(length=80), nullable=False),
    sa.Column('acr', sa.String(length=80), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('sid', name=op.f('pk_session_records'))
    )
    with op.batch_alter_table('session_records', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_session_records_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_records_ends_at'), ['ends_at'], unique=False)

    op.create_table('signing_keys',
    sa.Column('kid', sa.String(length=64), nullable=False),
    sa.Column('alg', sa.String(length=8), nullable=False),
    sa.Column('slot', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('pem_sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('activated_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('kid', name=op.f('pk_signing_keys')),
    sa.UniqueConstraint('alg', 'slot', name='uq_signing_keys_alg_slot')
    )
    op.create_table('client_secrets',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('client_id', sa.String(length=80), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_client_secrets_client_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_secrets'))
    )
    with op.batch_alter_table('client_secrets', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_client_secrets_client_id'), ['client_id'], unique=False)

    op.create_table('consents',
    sa.Column('account_id', sa.String(length=22), nullable=False),
    sa.Column('client_id', sa.String(length=80), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_consents_account_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_consents_client_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'client_id', name=op.f('pk_consents'))
    )
    op.create_table('known_devices',
    sa.Column('device_hash', sa.String(length=64), nullable=False),
    sa.Column('account_id', sa.String(length=22), nullable=False),
    sa.Column('label', sa.String(length=80), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_known_devices_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('device_hash', 'account_id', name=op.f('pk_known_devices'))
    )
    with op.batch_alter_table('known_devices', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_known_devices_account_id'), ['account_id'], unique=False)


    if op.get_bind().dialect.name == "postgresql":
        # Short-lived state, where there is no Redis; SQLite keeps it in a file of its own.
        op.execute(
            "CREATE UNLOGGED TABLE state_entries (key VARCHAR(300) PRIMARY KEY, value TEXT NOT NULL, "
            "n INTEGER NOT NULL DEFAULT 0, expires DOUBLE PRECISION NOT NULL)"
        )
        op.create_index("ix_state_entries_expires", "state_entries", ["expires"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("state_entries")
    with op.batch_alter_table('known_devices', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_known_devices_account_id'))

    op.drop_table('known_devices')
    op.drop_table('consents')
    with op.batch_alter_table('client_secrets', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_client_secrets_client_id'))

    op.drop_table('client_secrets')
    op.drop_table('signing_keys')
    with op.batch_alter_table('session_records', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_session_records_ends_at'))
        batch_op.drop_index(batch_op.f('ix_session_records_account_id'))

    op.drop_table('session_records')
    with op.batch_alter_table('refresh_families', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_refresh_families_sid'))
        batch_op.drop_index(batch_op.f('ix_refresh_families_ends_at'))
        batch_op.drop_index(batch_op.f('ix_refresh_families_client_id'))
        batch_op.drop_index(batch_op.f('ix_refresh_families_account_id'))

    op.drop_table('refresh_families')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_outbox_subject_ref'))
        batch_op.drop_index('ix_outbox_newest')
        batch_op.drop_index('ix_outbox_matter')
        batch_op.drop_index('ix_outbox_ending')
        batch_op.drop_index(batch_op.f('ix_outbox_changed_at'))

    op.drop_table('outbox')
    op.drop_table('code_guards')
    op.drop_table('clients')
    with op.batch_alter_table('audit_events', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_events_reference'))
        batch_op.drop_index(batch_op.f('ix_audit_events_event'))
        batch_op.drop_index(batch_op.f('ix_audit_events_client_id'))
        batch_op.drop_index(batch_op.f('ix_audit_events_at'))
        batch_op.drop_index(batch_op.f('ix_audit_events_account_id'))

    op.drop_table('audit_events')
    op.drop_table('administrators')
    with op.batch_alter_table('accounts', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_accounts_mobile_index'))
        batch_op.drop_index(batch_op.f('ix_accounts_email_index'))

    op.drop_table('accounts')
