"""Statements that are asked at nearly every protocol request: one round trip each, prepared once per connection.

Such a statement decides everything in its own conditions and is a transaction of its own. SQLAlchemy describes it, and
its pool lends the connection; between them and libpq nothing else stands, because what does costs ten times as much as
the round trip itself (docs/performance.md). SQLite has one writer: there it runs in the session, as everything else.
"""

import select
from collections import namedtuple
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus, Format
from pydantic_core import from_json, to_json
from sqlalchemy import JSON, Boolean, DateTime, Engine, Executable, Integer, LargeBinary, String
from sqlalchemy.dialects.postgresql import psycopg as dialects
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import PoolProxiedConnection

from idp.db import Moment, db
from idp.per_app import PerApp

# The server has forgotten the statement, or plans it for a table that was changed: nothing of it was carried out.
_FORGOTTEN = frozenset({b"26000", b"0A000"})
_PG_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_numbers = count(1)
_engine: PerApp[Engine] = PerApp(lambda: db.engine)
# The attribute of an engine under which `tracing.py` leaves what traces a statement by its operation.
TRACE = "trace_statement"


class Prepared:
    """One statement that names its columns, run with ``values`` for its parameters; it returns one row or none."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._operation = type(statement).__name__.upper()
        self.name = f"idp_{next(_numbers)}".encode()

    def run(self, values: Mapping[str, Any]) -> Any:
        """Run it, commit, and return its row or ``None``.

        Raises SQLAlchemy's `OperationalError` when the database refuses or is gone, `TimeoutError` when no connection
        is free.
        """
        engine = _engine()
        is_under_way = db.session.registry.has() and db.session().in_transaction()
        if is_under_way or engine.dialect.name == "sqlite":
            row = db.session.execute(self._statement, values).one_or_none()
            if not self._statement.is_select:
                db.session.commit()
            return row
        return self._ask(engine, self._arguments(values))

    def _ask(self, engine: Engine, arguments: list[bytes | None]) -> Any:
        lent, trace = _lend(engine), getattr(engine, TRACE, None)
        try:
            if trace is None:
                return self._execute(lent, arguments)
            with trace(self._operation):
                return self._execute(lent, arguments)
        except psycopg.Error as fault:
            if lent.driver_connection.broken:  # type: ignore[union-attr]
                # What this one has lost the others have, too.
                engine.dispose()
            lent.invalidate()
            # Without the values: they are nobody's business, whatever becomes of the message.
            raise OperationalError(None, None, fault) from fault
        finally:
            lent.close()

    def _execute(self, lent: PoolProxiedConnection, arguments: list[bytes | None]) -> Any:
        connection: Any = lent.driver_connection
        if self.name not in lent.info:
            self._prepare(connection)
            lent.info[self.name] = True
        answer = self._send(connection, arguments)
        if answer.error_field(DiagnosticField.SQLSTATE) in _FORGOTTEN:
            # Outside of a transaction a name that is not there does no harm.
            connection.pgconn.send_query(b"DEALLOCATE " + self.name)
            _await(connection)
            self._prepare(connection)
            answer = self._send(connection, arguments)
        _check(answer)
        if answer.ntuples == 0:
            return None
        raw = [answer.get_value(0, place) for place in range(answer.nfields)]
        values = [None if one is None else read(one) for one, read in zip(raw, self._readers, strict=True)]
        return self._row._make(values)

    def _send(self, connection: Any, arguments: list[bytes | None]) -> Any:
        connection.pgconn.send_query_prepared(self.name, arguments, result_format=Format.BINARY)
        return _await(connection)

    def _prepare(self, connection: Any) -> None:
        connection.pgconn.send_prepare(self.name, self._sql)
        _check(_await(connection))

    def _arguments(self, values: Mapping[str, Any]) -> list[bytes | None]:
        constants = self._constants
        return [constants[name] if name in constants else _write(values[name]) for name in self._order]

    @cached_property
    def _compiled(self) -> Any:
        dialect: Any = dialects.dialect
        return self._statement.compile(dialect=dialect(paramstyle="numeric_dollar"))  # type: ignore[attr-defined]

    @cached_property
    def _sql(self) -> bytes:
        return str(self._compiled).encode()

    @cached_property
    def _order(self) -> tuple[str, ...]:
        return tuple(self._compiled.positiontup)

    @cached_property
    def _constants(self) -> dict[str, bytes | None]:
        binds = self._compiled.binds.items()
        return {name: _write(bind.effective_value) for name, bind in binds if not bind.required}

    @cached_property
    def _columns(self) -> tuple[Any, ...]:
        return tuple(self._statement.exported_columns)  # type: ignore[attr-defined]

    @cached_property
    def _row(self) -> Any:
        return namedtuple("Row", [column.key for column in self._columns])

    @cached_property
    def _readers(self) -> tuple[Callable[[bytes], Any], ...]:
        return tuple(_reader_of(column.type) for column in self._columns)


def _lend(engine: Engine) -> PoolProxiedConnection:
    try:
        return engine.raw_connection()
    except psycopg.Error as fault:
        # A pool that has to connect anew says it in the driver's words, which nobody expects.
        raise OperationalError(None, None, fault) from fault


def _await(connection: Any) -> Any:
    """Return the answer to what was sent, or hang up and raise when none comes in time (`overdue.py`, RC-08)."""
    libpq, patience = connection.pgconn, getattr(connection, "patience", None)
    waiting, until = select.poll(), None if patience is None else monotonic() + patience
    while (is_unsent := libpq.flush()) or libpq.is_busy():
        waiting.register(libpq.socket, select.POLLIN | select.POLLOUT if is_unsent else select.POLLIN)
        left = None if until is None else max(0.0, until - monotonic()) * 1000
        if not waiting.poll(left):
            # What it may still answer must not be read by the next user of this connection.
            libpq.finish()
            raise psycopg.OperationalError("no answer in time")
        libpq.consume_input()
    answer = libpq.get_result()
    while libpq.get_result() is not None:
        pass
    return answer


def _check(answer: Any) -> None:
    if answer.status not in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        raise psycopg.errors.error_from_result(answer)


def _write(value: Any) -> bytes | None:
    """Return a value in PostgreSQL's text format, which no setting of the server changes."""
    if value is None:
        return None
    if isinstance(value, str):
        if "\0" in value:
            # libpq would send what is before it.
            raise ValueError("NUL in a value")
        return value.encode()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.isoformat().encode()
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    return to_json(value)


def _read_moment(raw: bytes) -> datetime:
    return _PG_EPOCH + timedelta(microseconds=int.from_bytes(raw, signed=True))


# How the values of a column's type come back, in the binary format.
_READERS: tuple[tuple[type[Any], Callable[[bytes], Any]], ...] = (
    (Moment, _read_moment),
    (DateTime, _read_moment),
    (JSON, from_json),
    (String, bytes.decode),
    (Boolean, lambda raw: raw != b"\0"),
    (Integer, lambda raw: int.from_bytes(raw, signed=True)),
    (LargeBinary, bytes),
)


def _reader_of(kind: Any) -> Callable[[bytes], Any]:
    return next(read for known, read in _READERS if isinstance(kind, known))
