"""Runs the migrations inside the application that Flask-Migrate gives us, on SQLite or PostgreSQL."""

from alembic import context
from flask import current_app

config = context.config


def run_migrations() -> None:
    """Apply what is missing, each migration in one transaction."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=True,
            compare_type=True,
            # The state store makes its own table in SQLite, and is not part of the durable model in PostgreSQL.
            include_name=lambda name, kind, _parents: not (kind == "table" and name == "state_entries"),
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
