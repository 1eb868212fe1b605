"""Short-lived state in SQL: a file of its own beside SQLite, an unlogged table in PostgreSQL.

Every act is one statement, so it is atomic on both without a transaction of ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.db import engine_options, prepare_engine
from idp.overdue import limit_statements
from idp.state import StateDown, Stored

_LONGEST = timedelta(seconds=2)
# In PostgreSQL the migrations make it, unlogged: what expires need not survive a crash.
_TABLE = text(
    "CREATE TABLE IF NOT EXISTS state_entries (key VARCHAR(300) PRIMARY KEY, value TEXT NOT NULL, "
    "n INTEGER NOT NULL DEFAULT 0, expires DOUBLE PRECISION NOT NULL)"
)
_INDEX = text("CREATE INDEX IF NOT EXISTS ix_state_entries_expires ON state_entries (expires)")
_PUT = text(
    "INSERT INTO state_entries (key, value, expires) VALUES (:key, :value, :expires) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires, n = 0"
)
_ADD = text(
    "INSERT INTO state_entries (key, value, expires) VALUES (:key, :value, :expires) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires, n = 0 "
    "WHERE state_entries.expires <= :now RETURNING 1"
)
_GET = text("SELECT key, value, expires FROM state_entries WHERE key IN :keys AND expires > :now").bindparams(
    bindparam("keys", expanding=True)
)
_TAKE = text("DELETE FROM state_entries WHERE key = :key RETURNING value, expires")
_TAKE_ASKING = text(
    "DELETE FROM state_entries WHERE key = :key RETURNING value, expires, "
    "(SELECT value FROM state_entries AS b WHERE b.key = :beside AND b.expires > :now) AS beside_value, "
    "(SELECT expires FROM state_entries AS b WHERE b.key = :beside AND b.expires > :now) AS beside_expires"
)
_SWAP = text(
    "UPDATE state_entries SET value = :value, expires = :expires "
    "WHERE key = :key AND value = :old AND expires = :old_expires RETURNING 1"
)
_BUMP = text(
    "INSERT INTO state_entries (key, value, n, expires) VALUES (:key, '', 1, :expires) ON CONFLICT (key) DO UPDATE SET "
    "n = CASE WHEN state_entries.expires <= :now THEN 1 ELSE state_entries.n + 1 END, "
    "expires = CASE WHEN state_entries.expires <= :now THEN excluded.expires ELSE state_entries.expires END RETURNING n"
)
_COUNT = text("SELECT n FROM state_entries WHERE key = :key AND expires > :now")
_DELETE = text("DELETE FROM state_entries WHERE key = :key")
_EMPTY = text("DELETE FROM state_entries")
_PURGE = text("DELETE FROM state_entries WHERE key IN (SELECT key FROM state_entries WHERE expires <= :now LIMIT 1000)")


class SqlStore:
    """A `Store` in an SQL table."""

    def __init__(self, url: str, *, pool: int = 5) -> None:
        self._engine = create_engine(url, **_options(url, pool))
        prepare_engine(self._engine, begin=False)
        limit_statements(self._engine, _LONGEST)
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect() as connection:
                connection.execute(_TABLE)
                connection.execute(_INDEX)

    def put(self, key: str, entry: Stored, now: float) -> None:
        with self._fail_closed() as connection:
            connection.execute(_PUT, {"key": key, "value": entry.text, "expires": entry.expires})

    def put_asking(self, key: str, entry: Stored, beside: str, now: float) -> Stored | None:
        self.put(key, entry, now)
        return self.get((beside,), now)[0]

    def get(self, keys: tuple[str, ...], now: float) -> tuple[Stored | None, ...]:
        with self._fail_closed() as connection:
            rows = connection.execute(_GET, {"keys": keys, "now": now}).all()
        found = {row.key: Stored(row.value, row.expires) for row in rows}
        return tuple(found.get(key) for key in keys)

    def take(self, key: str, now: float) -> Stored | None:
        with self._fail_closed() as connection:
            row = connection.execute(_TAKE, {"key": key}).one_or_none()
        return Stored(row.value, row.expires) if row is not None and row.expires > now else None

    def take_asking(self, key: str, beside: str, now: float) -> tuple[Stored | None, Stored | None]:
        with self._fail_closed() as connection:
            row = connection.execute(_TAKE_ASKING, {"key": key, "beside": beside, "now": now}).one_or_none()
        if row is None or row.expires <= now:
            return None, None
        asked = None if row.beside_value is None else Stored(row.beside_value, row.beside_expires)
        return Stored(row.value, row.expires), asked

    def add(self, key: str, entry: Stored, now: float) -> bool:
        values = {"key": key, "value": entry.text, "expires": entry.expires, "now": now}
        with self._fail_closed() as connection:
            return connection.execute(_ADD, values).one_or_none() is not None

    def swap(self, key: str, old: Stored, new: Stored, now: float) -> bool:
        values = {"key": key, "value": new.text, "expires": new.expires, "old": old.text, "old_expires": old.expires}
        with self._fail_closed() as connection:
            return connection.execute(_SWAP, values).one_or_none() is not None

    def delete(self, key: str) -> None:
        with self._fail_closed() as connection:
            connection.execute(_DELETE, {"key": key})

    def bump(self, key: str, expires: float, now: float) -> int:
        with self._fail_closed() as connection:
            return int(connection.execute(_BUMP, {"key": key, "expires": expires, "now": now}).scalar_one())

    def count(self, key: str, now: float) -> int:
        with self._fail_closed() as connection:
            return int(connection.execute(_COUNT, {"key": key, "now": now}).scalar_one_or_none() or 0)

    def purge(self, now: float) -> int:
        """Delete up to a thousand entries that have ended; return how many."""
        with self._fail_closed() as connection:
            return connection.execute(_PURGE, {"now": now}).rowcount

    def empty(self) -> None:
        """Forget everything."""
        with self._fail_closed() as connection:
            connection.execute(_EMPTY)

    def ping(self) -> None:
        with self._fail_closed() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def _fail_closed(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as fault:
            raise StateDown(type(fault).__name__) from fault


def sqlite_url(path: Path) -> str:
    """Return the URL of the state file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path.absolute()}"


def _options(url: str, pool: int) -> dict[str, Any]:
    options = engine_options(url, pool)
    if not url.startswith("sqlite"):
        options["isolation_level"] = "AUTOCOMMIT"
    return options
