"""How long PostgreSQL may take: it ends an overdue statement itself, and when it says nothing at all, we hang up.

Without a limit, a server that stands still, a lock that nobody gives back or a firewall that forgot a connection holds
a thread and a place in the pool for ever, and the node is of no use until somebody starts it again (RC-08, RC-09).
Commands of the command line have no limit: an import or a migration may take its time.
"""

from datetime import timedelta
from typing import Any

import psycopg
from psycopg.errors import _WaitTimeout
from sqlalchemy import Engine, event

# Until then the server's own end of the statement may still arrive.
_GRACE = 1.0


class LimitedConnection(psycopg.Connection[Any]):
    """A connection on which nothing is waited for longer than ``patience`` seconds: it is closed then."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server as psycopg does, or raise `OperationalError`, having hung up."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except _WaitTimeout as fault:
            # What it may still answer must not be read by the next user of this connection.
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer in time") from fault


def limit_statements(engine: Engine, longest: timedelta) -> None:
    """Give each statement on ``engine`` so long; an overdue one raises `OperationalError`. SQLite needs none."""
    if engine.dialect.name == "sqlite":
        return

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> LimitedConnection:
        connection = LimitedConnection.connect(*arguments, **options)
        connection.patience = longest.total_seconds() + _GRACE
        connection.execute(f"SET statement_timeout = {int(longest.total_seconds() * 1000)}")
        connection.commit()
        return connection

    engine.dispose()
