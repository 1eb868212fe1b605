"""How many connections all processes together may open, and whether PostgreSQL and Redis have as many (R15).

A pool that is bounded in each process is not bounded in all: what is missing shows on payday, as 503.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from idp.settings import Settings

# What a role or a database is bounded to, -1 meaning nothing, and what PostgreSQL keeps for itself.
_ALLOWED = text("""
SELECT (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings
        WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
""")


@dataclass(frozen=True)
class Demand:
    """The most connections that the whole fleet opens, to PostgreSQL and to each Redis."""

    database: int
    redis: int


def find_demand(settings: Settings) -> Demand:
    """Add up the pools of every web process and worker, twice for what is replaced during a rolling upgrade."""
    fleet = settings.fleet
    web = (fleet.web_nodes + fleet.surge_nodes) * max(fleet.web_processes, 1)
    processes = web + fleet.worker_processes
    has_redis = bool(settings.redis_url.get_secret_value())
    # Without Redis, short-lived state has a pool of its own in the same PostgreSQL.
    pools = settings.database_pool * (1 if has_redis else 2)
    return Demand(processes * pools + fleet.other_connections, processes * settings.redis_pool if has_redis else 0)


def find_allowed(connection: Connection) -> int:
    """Return how many connections PostgreSQL has for us."""
    limits = connection.execute(_ALLOWED).one()
    return min(int(limit) for limit in limits if limit is not None and int(limit) >= 0)


def compare(wanted: int, allowed: int, *, store: str, pool: str, limit: str) -> str | None:
    """Return what is wrong, in one sentence that says what to do, or None."""
    if wanted <= allowed:
        return None
    return (
        f"{store} allows {allowed} connections and the fleet may open {wanted}: raise {limit}, lower {pool}, "
        "or correct fleet.web_nodes, fleet.web_processes, fleet.worker_processes"
    )
