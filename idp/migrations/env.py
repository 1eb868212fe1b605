"""Runs the migrations inside the application that Flask-Migrate gives us, on SQLite or PostgreSQL."""

from typing import Any, Literal

from alembic import context
from flask import current_app

from idp.db import Moment


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column type as what it is in the database: migrations import nothing of ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def run_migrations() -> None:
    """Apply what is missing, each migration in one transaction."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=True,
            compare_type=True,
            render_item=render_item,
            # The state store makes its own table in SQLite, and is not part of the durable model in PostgreSQL.
            include_name=lambda name, kind, _parents: not (kind == "table" and name == "state_entries"),
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
