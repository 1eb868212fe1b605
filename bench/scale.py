"""`make scale`: what 13.5 million accounts change. Imports them by `idp accounts import`, measures before and after.

Two databases of one PostgreSQL: one with ten thousand people, one with everybody, measured in turn, person by person,
so that whatever else the machine does hits both. SCALE_PEOPLE, SCALE_FILE (people a file: each office sends its own),
SCALE_MINUTES (no further file is begun after so long), SCALE_WALKS (people who sign in) and SCALE_FOLDER change the
run; SCALE_REPORT=1 writes docs/scale.md. Needs 3 KB of disk a person, and deletes all of it at the end.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import at_size, people, scale_report
from bench.at_size import Meter, Provider
from idp import clock as idp_clock
from idp import create_app
from idp.settings import load_settings
from tests.conftest import ISSUER, Clock, example_settings
from tests.servers import start_postgresql, start_redis

ROOT = Path(__file__).parent.parent
SMALL = 10_000
SEED = 13
PEOPLE = int(os.environ.get("SCALE_PEOPLE", "13500000"))
FILE = int(os.environ.get("SCALE_FILE", "500000"))
MINUTES = float(os.environ.get("SCALE_MINUTES", "600"))
WALKS = int(os.environ.get("SCALE_WALKS", "60"))
# As an operator would on a machine of this size; what is committed is on the disk.
POSTGRESQL = (
    "shared_buffers=2GB", "max_wal_size=8GB", "checkpoint_timeout=15min", "wal_compression=on", "max_connections=100",
    "listen_addresses=127.0.0.1", "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top",
)  # fmt: skip


@dataclass
class Taken:
    """One file: people, seconds, bytes of log that the database wrote."""

    count: int
    seconds: float
    wal: int


def main() -> None:
    """Do all of it."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="sesame-scale-", dir=os.environ.get("SCALE_FOLDER")))
        )
        folder.chmod(0o711)
        url = start_postgresql(stack, folder / "postgresql", POSTGRESQL)
        redis_url = start_redis(stack, folder / "redis")
        statistics = stack.enter_context(_connect(url))
        statistics.execute("CREATE EXTENSION pg_stat_statements")
        small = _environ(folder, url, "small", f"{redis_url}/0")
        big = _environ(folder, url, "big", f"{redis_url}/1")
        for name, environ in (("small", small), ("big", big)):
            statistics.execute(f"CREATE DATABASE {name}")
            _idp(environ, "db", "upgrade")
        _take(folder, small, statistics, 0, SMALL)
        files = _everybody(folder, big, statistics)
        count = sum(one.count for one in files)
        providers = [
            _provide(small, "small", SMALL, statistics),
            _provide(big, "big", count, statistics),
        ]
        _measure(providers)
        plans = [at_size.plans(provider.app, 4321) for provider in providers]
        sizes = _sizes(url)
        text = scale_report.text(providers, plans, files, sizes, POSTGRESQL)
        sys.stdout.write(text + "\n")
        if os.environ.get("SCALE_REPORT"):
            scale_report.write(text)


def _everybody(folder: Path, environ: dict[str, str], statistics: Any) -> list[Taken]:
    files: list[Taken] = []
    began = time.monotonic()
    for begin in range(0, PEOPLE, FILE):
        if files and time.monotonic() - began > MINUTES * 60:
            break
        files.append(_take(folder, environ, statistics, begin, min(begin + FILE, PEOPLE)))
        done, last = sum(one.count for one in files), files[-1]
        print(f"{time.strftime('%H:%M:%S')} {done:,} people, {last.count / last.seconds:,.0f}/s", file=sys.stderr)
    return files


def _take(folder: Path, environ: dict[str, str], statistics: Any, begin: int, end: int) -> Taken:
    """Import one file by the command that an operator calls."""
    path = folder / f"people-{begin}.csv"
    people.write(path, begin, end)
    before, began = _wal(statistics), time.monotonic()
    told = json.loads(_idp(environ, "accounts", "import", str(path), "--json"))
    seconds = time.monotonic() - began
    if told["added"] != end - begin:
        raise RuntimeError(f"{told} of {end - begin} people")
    for file in folder.glob("people-*"):
        file.unlink()
    return Taken(end - begin, seconds, _wal(statistics) - before)


def _idp(environ: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "idp.commands", *arguments]
    return subprocess.run(command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout


def _environ(folder: Path, url: str, database: str, redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    secrets = example_settings()["secrets"]
    return kept | {
        **{f"IDP_SECRETS__{name.upper()}": secrets[name] for name in ("pepper", "index", "subject", "code", "token")},
        "IDP_SECRETS__FIELD_KEYS__K1": secrets["field_keys"]["k1"],
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_ISSUER": ISSUER,
        "IDP_DATABASE_URL": f"{url.rsplit('/', 1)[0]}/{database}",
        "IDP_REDIS_URL": redis_url,
        "IDP_STATE_FILE": f"{folder}/{database}-state.db",
        "IDP_OUTBOX__EMBEDDED_WORKER": "false",
        # Argon2 costs the same whoever else has an account: it is made cheap here, and measured by `idp doctor --plan`.
        "IDP_PASSWORDS__MEMORY_KIB": "64",
        "IDP_PASSWORDS__TIME_COST": "1",
        "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
        "IDP_SUPPORT__VIEWS_PER_HOUR": "1000000",
        "IDP_LOG_LEVEL": "error",
    }  # fmt: skip


def _provide(environ: dict[str, str], database: str, count: int, statistics: Any) -> Provider:
    app = create_app(load_settings(environ))
    return at_size.prepare(app, count, Meter(statistics, database))


def _measure(providers: list[Provider]) -> None:
    clock, chance = Clock(), random.Random(SEED)
    idp_clock.set_source(clock)
    # Two who are not counted: what is made at first use is made for them.
    for walk in range(WALKS + 2):
        if walk == 2:
            for provider in providers:
                provider.meter.costs.clear()
        # Neither is always the one that finds the processor's caches full of the other.
        for provider in providers if walk % 2 else reversed(providers):
            at_size.walk(provider, chance.randrange(provider.count), clock)
    idp_clock.set_source(None)


def _sizes(url: str) -> dict[str, int]:
    query = """
        SELECT relname, pg_relation_size(oid) FROM pg_class
        WHERE oid = 'accounts'::regclass
            OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'accounts'::regclass)
        ORDER BY 2 DESC
    """
    with _connect(f"{url.rsplit('/', 1)[0]}/big") as connection:
        return {str(name): int(size) for name, size in connection.execute(query)}


def _wal(statistics: Any) -> int:
    return int(statistics.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()[0])


def _connect(url: str) -> "psycopg.Connection[Any]":
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


if __name__ == "__main__":
    main()
