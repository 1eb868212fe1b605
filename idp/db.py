"""How durable things are stored: one SQLAlchemy for every folder, on SQLite or PostgreSQL."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Dialect, Engine, Executable, MetaData, Row, TypeDecorator, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry

from idp.per_app import context

# Seconds.
_RESTED = 1.0
# How long a rested connection may take to say that it lives.
_SIGN_OF_LIFE = 1.0
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(naming_convention=NAMES)


def _scope() -> int:
    """One session for each context of an application: Flask-SQLAlchemy's own answer, without the proxy's detours."""
    return id(context())


db = SQLAlchemy(
    model_class=Base,
    # Rows stay readable after the one commit of a request.
    session_options={"expire_on_commit": False, "scopefunc": _scope},
    disable_autonaming=True,
)
_MIGRATIONS = Path(__file__).parent / "migrations"


class Moment(TypeDecorator[datetime]):
    """A moment, always an aware UTC datetime in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone: it would be read back as another one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give SQLite's naive values back their zone."""
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def release() -> None:
    """End the read transaction before slow work, so that no lock or connection is held during it."""
    if db.session.registry.has():
        db.session.rollback()


def look_up(statement: Executable) -> Sequence[Row[Any]]:
    """Read some rows, and leave no transaction behind that was not there before."""
    is_under_way = db.session.registry.has() and db.session().in_transaction()
    rows = db.session.execute(statement).all()
    if not is_under_way:
        db.session.commit()
    return rows


def init_db(app: Flask, url: str, pool: int) -> None:
    """Connect ``app`` to the database at ``url``."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url, pool)
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)


def upgrade_tables() -> None:
    """Bring the tables of the application that answers now up to this version.

    What does it is loaded here alone: a process that serves never needs it, and it is one part in twenty of its start.
    """
    from flask_migrate import Migrate, upgrade

    Migrate(current_app, db, directory=str(_MIGRATIONS), render_as_batch=True)
    upgrade()


def engine_options(url: str, pool: int) -> dict[str, Any]:
    """Return SQLAlchemy's options for an engine with at most ``pool`` connections."""
    if url.startswith("sqlite"):
        # Our own BEGIN IMMEDIATE below, not sqlite3's hidden transactions: those lose increments silently.
        return {"connect_args": {"isolation_level": None, "timeout": 5.0, "check_same_thread": False}}
    return {
        "pool_size": pool,
        "max_overflow": 0,
        "pool_timeout": 2,
        "pool_recycle": 1800,
        # psycopg's own preparing would end with each rollback, and take with it what `prepared.py` has prepared.
        "connect_args": {"connect_timeout": 3, "client_encoding": "utf8", "prepare_threshold": None},
    }


def _ping_after_rest(engine: Engine) -> None:
    """Try a connection that has rested before it is used; to try each at every request costs as much as the request.

    What a server does that goes away between two requests of one second is seen by the first of them, which is answered
    503; the pool then drops all that it has.
    """

    @event.listens_for(engine, "checkin")
    def _left(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["left_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if monotonic() - record.info.get("left_at", monotonic()) > _RESTED:
            patience, connection.patience = getattr(connection, "patience", None), _SIGN_OF_LIFE
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as fault:
                # The pool makes a new one in its place.
                raise DisconnectionError from fault
            connection.patience = patience


def prepare_engine(engine: Engine, *, begin: bool = True) -> None:
    """Have PostgreSQL's connections tried after a rest.

    SQLite gets write-ahead logging, foreign keys and transactions that begin by taking the write lock.

    Without ``begin``, every statement commits by itself.
    """
    if engine.dialect.name != "sqlite":
        _ping_after_rest(engine)
        return

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    if begin:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
