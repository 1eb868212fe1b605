"""The database and Redis: that they answer, keep, agree on the time, and have a connection for everybody."""

from collections.abc import Iterator
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

import idp
from idp import capacity, clock, store_checks
from idp.commands.checks import Finding, failure, first_bad_or, ok, skipped, warning
from idp.common_time import measure_skews
from idp.db import db
from idp.settings import current_settings, settings
from idp.state import StateDown, state
from idp.state_redis import RedisStore, Told

_MIGRATIONS = Path(idp.__file__).parent / "migrations"
# Seconds (RC-21): codes, tokens and counters end by our clock.
_ODD, _TOO_FAR = 0.5, 2.0
# What PostgreSQL must say of itself, and what to do when it says something else.
_WANTED = (
    ("server_encoding", {"UTF8"}, "names would be damaged: make the database anew with ENCODING 'UTF8'"),
    ("default_transaction_isolation", {"read committed"}, "counters rely on it: ALTER DATABASE … SET or RESET it"),
    ("transaction_read_only", {"off"}, "database_url must lead to the primary"),
    ("fsync", {"on"}, "what is committed must survive a crash: fsync = on"),
    ("synchronous_commit", {"on", "remote_write", "remote_apply", "local"}, "set synchronous_commit = on"),
)


def check_database() -> list[Finding]:
    """Ask the database what it is, and whether its tables are this version's."""
    try:
        with db.engine.connect() as connection:
            found = [_check_migrations(connection)]
            if connection.dialect.name == "postgresql":
                found += _check_postgresql(connection)
            return found
    except SQLAlchemyError as fault:
        return [failure(f"the database does not answer ({type(fault).__name__})", "see database_url and its server")]


def _check_migrations(connection: Connection) -> Finding:
    script = ScriptDirectory(str(_MIGRATIONS))
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return ok(f"{connection.dialect.name}, tables of revision {current}")
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        return ok(f"{connection.dialect.name}, tables of a newer version ({current}), which serve this one too")
    return failure(f"the tables are of revision {current or 'none'}, not of this version", "run: idp db upgrade")


def _check_postgresql(connection: Connection) -> Iterator[Finding]:
    for name, wanted, fix in _WANTED:
        value = str(connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar())
        if value not in wanted:
            yield failure(f"PostgreSQL has {name} {value}", fix)
    if not settings.fleet.web_nodes:
        yield skipped("connections are not compared (fleet.web_nodes = 0)")
        return
    allowed, ours = capacity.find_allowed(connection), current_settings()
    faults = store_checks.find_pool_faults(allowed, ours)
    told = ok(f"at most {capacity.find_demand(ours).database} connections of all processes, {allowed} allowed")
    yield from first_bad_or((failure(*_apart(fault)) for fault in faults), told)


def check_redis() -> list[Finding]:
    """Ask Redis whether it forgets, whether everybody can connect, whether it knows our commands."""
    if not isinstance(state.store, RedisStore):
        where = "a file" if db.engine.dialect.name == "sqlite" else "PostgreSQL"
        return [skipped(f"short-lived state is in {where}")]
    try:
        told = state.store.tell()
    except StateDown as fault:
        return [failure(f"Redis does not answer ({fault})", "see redis_url and its server")]
    faults = [failure(*_apart(fault)) for fault in store_checks.find_redis_faults(told, current_settings())]
    faults += [more for where, one in told.items() for more in _check_one(where, one)]
    return first_bad_or(faults, ok(f"{len(told)} Redis, noeviction"))


def _check_one(where: str, one: Told) -> Iterator[Finding]:
    if "maxmemory_policy" not in one.info:
        yield warning(f"Redis ({where}) may not say its policy", "allow INFO, or see yourself that it is noeviction")
        return
    version = tuple(int(part) for part in one.info.get("redis_version", "0").split(".")[:2] if part.isdecimal())
    if version < (6, 2):
        yield failure(f"Redis ({where}) is {one.info.get('redis_version')}: it has no GETDEL", "Redis 6.2 or newer")
    if one.info.get("role") == "slave":
        yield failure(f"Redis ({where}) is a replica", "redis_url must lead to the primary, or name Sentinel")
    if one.info.get("maxmemory") == "0":
        yield warning(f"Redis ({where}) has no maxmemory: a flood of entries takes the machine", "set maxmemory")


def check_clocks() -> list[Finding]:
    """Compare our clock with those of the stores."""
    found = list(measure_skews(lambda: clock.now().timestamp()))
    bad = [_judge_skew(name, seconds) for name, seconds in found if abs(seconds) > _ODD]
    if not found:
        return [skipped("no store has a clock of its own")]
    return first_bad_or(bad, ok(", ".join(f"{name} {seconds:+.3f} s" for name, seconds in found)))


def _judge_skew(name: str, seconds: float) -> Finding:
    says = f"the clock of {name} is {seconds:+.1f} s from ours"
    fix = "run chrony or systemd-timesyncd on every machine"
    return failure(says, fix) if abs(seconds) > _TOO_FAR else warning(says, fix)


def _apart(fault: str) -> tuple[str, str]:
    says, _, fix = fault.partition(": ")
    return says, fix
