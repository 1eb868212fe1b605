"""A database that says nothing holds nobody for ever (RC-08, RC-09): PostgreSQL behind a proxy that goes deaf."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from idp.db import prepare_engine
from idp.overdue import limit_statements
from tests.drills.proxy import Proxy


@pytest.fixture
def proxy(backend: str, stores: object) -> Iterator[Proxy]:
    if backend != "servers":
        pytest.skip("SQLite is in this process")
    found = Proxy(make_url(os.environ["TEST_DATABASE_URL"]).port or 5432).start()
    yield found
    found.stop()


@pytest.fixture
def engine(proxy: Proxy) -> Iterator[Engine]:
    url = make_url(os.environ["TEST_DATABASE_URL"]).set(host="127.0.0.1", port=proxy.port)
    found = create_engine(url, pool_size=2, max_overflow=0, connect_args={"connect_timeout": 2})
    prepare_engine(found)
    limit_statements(found, timedelta(seconds=1))
    yield found
    found.dispose()


def test_a_statement_that_takes_too_long_is_ended_by_the_server_RC_09(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(20)"))

    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_connection_that_went_deaf_is_hung_up_and_the_next_one_works_RC_08(engine: Engine, proxy: Proxy) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.forget_flows()
        started = time.monotonic()
        with pytest.raises(OperationalError, match="no answer in time"):
            connection.execute(text("SELECT 1"))

    assert time.monotonic() - started < 10
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
