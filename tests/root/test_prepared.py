"""Prepared statements give what SQLAlchemy would, and fail as it does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from psycopg.pq import ExecStatus
from sqlalchemy import JSON, Integer, LargeBinary, String, bindparam, cast, create_engine, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from idp.accounts import directory
from idp.accounts.models import Account
from idp.db import Moment, db
from idp.prepared import Prepared

_TYPES = {"word": String(), "at": Moment(), "tree": JSON(), "number": Integer(), "raw": LargeBinary()}
_BOUND: dict[str, Any] = {name: bindparam(name, type_=kind) for name, kind in _TYPES.items()}
# In real statements a column says that it is bytes.
_BOUND["raw"] = cast(_BOUND["raw"], LargeBinary)
_ECHO = Prepared(select(*(value.label(name) for name, value in _BOUND.items())))
_STATUS = Prepared(select(Account.status).where(Account.id == bindparam("account_id", type_=Account.id.type)))
_NOW = datetime(2026, 11, 24, 23, 59, 59, 123456, tzinfo=UTC)
_VALUES: dict[str, Any] = {
    "word": "l'été, \"entre\" \\ % $1 👋", "at": _NOW, "tree": {"a": ["é", 1, None]}, "number": -7, "raw": b"\0\xff\\",
}  # fmt: skip


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def test_values_come_back_as_they_went() -> None:
    assert _ECHO.run(_VALUES)._asdict() == _VALUES


def test_nothing_comes_back_as_nothing() -> None:
    row = _ECHO.run({**dict.fromkeys(_TYPES), "tree": []})

    assert (row.word, row.at, row.number, row.raw) == (None, None, None, None)


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    paris = _NOW.astimezone(timezone(timedelta(hours=1)))

    assert _ECHO.run({**_VALUES, "at": paris}).at == _NOW


@pytest.mark.parametrize("wrong", [{"at": datetime(2026, 1, 1)}, {"word": "a\0b"}])
def test_a_value_that_would_change_on_its_way_is_refused(wrong: dict[str, Any], backend: str) -> None:
    if backend == "embedded" and "word" in wrong:
        # SQLite keeps it whole.
        assert _ECHO.run({**_VALUES, **wrong}).word == "a\0b"
        return
    with pytest.raises((ValueError, StatementError)):
        _ECHO.run({**_VALUES, **wrong})


def test_a_value_that_is_missing_is_a_fault_and_not_a_null() -> None:
    with pytest.raises((KeyError, StatementError)):
        _ECHO.run({name: value for name, value in _VALUES.items() if name != "word"})


def test_within_a_transaction_it_sees_what_is_not_committed(alice: str) -> None:
    directory.set_status(alice, "disabled", now=_NOW)
    db.session.flush()

    assert _STATUS.run({"account_id": alice}).status == "disabled"

    db.session.rollback()
    assert _STATUS.run({"account_id": alice}).status == "active"


def test_nothing_found_is_none(alice: str) -> None:
    assert _STATUS.run({"account_id": "nobody"}) is None


@pytest.fixture
def libpq(backend: str) -> Any:
    """Return the one connection that the pool has at rest, as libpq knows it."""
    if backend == "embedded":
        pytest.skip("SQLite prepares nothing that could be lost")
    db.engine.dispose()
    _ECHO.run(_VALUES)
    lent = db.engine.raw_connection()
    connection: Any = lent.driver_connection
    lent.close()
    return connection.pgconn


def test_a_statement_that_the_server_has_forgotten_is_prepared_again(libpq: Any) -> None:
    libpq.exec_(b"DEALLOCATE ALL")

    assert _ECHO.run(_VALUES).word == _VALUES["word"]


def test_a_session_that_is_rolled_back_forgets_nothing(libpq: Any) -> None:
    for _ in range(10):
        db.session.execute(select(Account.id))
        db.session.rollback()

    assert libpq.describe_prepared(_ECHO.name).status == ExecStatus.COMMAND_OK


def test_a_connection_that_was_cut_costs_one_answer(libpq: Any) -> None:
    engine = create_engine(db.engine.url)
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": libpq.backend_pid})
    engine.dispose()

    with pytest.raises(OperationalError):
        _ECHO.run(_VALUES)

    assert _ECHO.run(_VALUES).word == _VALUES["word"]


def test_a_database_that_takes_no_connection_is_down_and_no_riddle_RC_07() -> None:
    engine = create_engine("postgresql+psycopg://x@127.0.0.1:1/x")

    with pytest.raises(OperationalError):
        _ECHO._ask(engine, [])


def test_what_the_database_refuses_names_no_value(backend: str, alice: str) -> None:
    values: dict[str, Any] = {
        "id": bindparam("account_id"), "nir_index": "x", "nir_sealed": b"x", "locale": "fr", "created_at": _NOW,
        "updated_at": _NOW,
    }  # fmt: skip
    again = Prepared(insert(Account).values(values).returning(Account.id))

    with pytest.raises(DBAPIError) as refused:
        again.run({"account_id": alice})

    db.session.rollback()
    if backend == "servers":
        assert isinstance(refused.value, OperationalError)
        assert refused.value.params is None
