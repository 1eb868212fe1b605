"""What cannot be avoided: the bare parts of which an operation is made, each measured alone, and their sum."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import argon2
import psycopg
import redis
from psycopg.pq import ExecStatus, Format

from bench.flows import Target, discovery
from bench.load import Flow, Tally, run
from bench.machine import cpu_seconds, free_port, wait_until_it_answers
from bench.visit import SIGN_IN
from idp.oidc.jose.own import generate_pem, load_key
from tests.servers import start_postgresql, start_redis

BARE, FORM, FLASK, ROUND_TRIP, STATEMENT, SIGNATURE, ARGON2 = (
    "granian and a bare WSGI function",
    "granian and a bare WSGI function that reads a form",
    "granian and an empty Flask view",
    "one Redis round trip (socket, hiredis)",
    "one PostgreSQL statement that commits (prepared, libpq)",
    "one ES256 signature (cryptography)",
    "one Argon2id, 19 MiB, t=2",
)
_APPS = """
from urllib.parse import parse_qsl
from flask import Flask
BODY = b'{"authorization_endpoint":"x","jwks_uri":"y"}'
def bare(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return (BODY,)
def form(environ, start_response):
    dict(parse_qsl(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))))
    return bare(environ, start_response)
flask = Flask(__name__)
flask.get("/")(lambda: (BODY, {"Content-Type": "application/json"}))
"""


@dataclass(frozen=True)
class Needs:
    """What an operation cannot do without: requests without and with a form, statements, signatures, hashes."""

    plain: int = 0
    forms: int = 0
    # Rows of `bench/guard.json`, whose round trips to the state and SQL statements are meant.
    counted: tuple[str, ...] = ()
    signatures: int = 0
    hashes: int = 0


# A sign-in's requests are counted while it is measured. Its statements and round trips are left out of its sum, and
# its forms cost as much as pages: the ratio is the stricter for it.
NEEDS: Mapping[str, Needs] = {
    "discovery": Needs(plain=1, counted=("discovery",)),
    "JWKS": Needs(plain=1, counted=("jwks",)),
    "client credentials": Needs(forms=1, counted=("client_credentials",)),
    "authorize, signed in": Needs(plain=1, counted=("authorize",)),
    "code exchange": Needs(forms=1, counted=("code_exchange",), signatures=1),
    "refresh, rotating": Needs(forms=1, counted=("refresh",), signatures=1),
    "userinfo": Needs(plain=1, counted=("userinfo",)),
    "introspection": Needs(forms=1, counted=("introspection",)),
    "authorize + exchange": Needs(plain=1, forms=1, counted=("authorize", "code_exchange"), signatures=1),
    SIGN_IN: Needs(hashes=1),
}
_COUNTS = Path(__file__).parent / "guard.json"
Counts = Mapping[str, Mapping[str, int]]


def floor_of(
    operation: str,
    parts: Mapping[str, float],
    asked: float = 1.0,
    counts: Mapping[str, Mapping[str, int]] | None = None,
) -> float:
    """Return the sum of an operation's parts in CPU-microseconds.

    ``asked`` are its requests, where `NEEDS` has none; ``counts`` are those of `bench/guard.json`, unless others.
    """
    needs, counts = NEEDS[operation], counts or json.loads(_COUNTS.read_text(encoding="utf-8"))
    return (
        (needs.plain if needs.plain or needs.forms else asked) * parts[BARE]
        + needs.forms * parts[FORM]
        + sum(counts[row]["state"] for row in needs.counted) * parts[ROUND_TRIP]
        + sum(counts[row]["sql"] for row in needs.counted) * parts[STATEMENT]
        + needs.signatures * parts[SIGNATURE]
        + needs.hashes * parts[ARGON2]
    )


def measure_parts(folder: Path, hashes: Sequence[float] = ()) -> dict[str, float]:
    """Measure every part, in CPU-microseconds; ``hashes`` are measurements of Argon2 that were made meanwhile."""
    (folder / "apps.py").write_text(_APPS)
    with ExitStack() as running:
        home = folder / "floor"
        home.mkdir(mode=0o711)
        database_url = start_postgresql(running, home / "postgresql")
        redis_url = start_redis(running, home / "redis")
        return {
            BARE: _served(folder, "apps:bare", discovery),
            FORM: _served(folder, "apps:form", _posts),
            FLASK: _served(folder, "apps:flask", discovery),
            ROUND_TRIP: _round_trip(redis_url),
            STATEMENT: _statement(database_url),
            SIGNATURE: _signature(),
            ARGON2: median(hashes or [argon2_once() for _ in range(5)]),
        }


def argon2_once() -> float:
    """Return what one hash costs now, in CPU-microseconds: the middle of several, with the default settings."""
    hasher = argon2.PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)
    return _cpu(lambda: hasher.hash("motdepasse"), 3)


def _posts(target: Target, user: int, prepared: object, tally: Tally) -> Flow:
    request = target.post("/", target.basic, grant_type="refresh_token", refresh_token="x" * 43)
    while tally.goes_on():
        since = time.perf_counter()
        answer = yield request
        tally.add(since, answer[9:12] == b"200", answer)


def _served(folder: Path, app: str, flow: Callable[..., Flow]) -> float:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--blocking-threads", "1",
               "--no-ws", app]  # fmt: skip
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=os.environ | {"PYTHONPATH": str(folder)})  # fmt: skip
    try:
        wait_until_it_answers(f"http://localhost:{port}/", lambda: server.poll() is None)
        target = Target("floor", port, {"discovery": "/"}, "", "", "", "")
        costs = []
        for _ in range(3):
            result, before, after = run(
                port, None, flow, target, users=4, seconds=1, around=lambda: cpu_seconds(server.pid)
            )
            if result.errors:
                raise RuntimeError(f"{app}: {result.first_error!r}")
            costs.append((after - before) / result.requests * 1e6)
        return median(costs)
    finally:
        server.terminate()
        server.wait(20)


def _round_trip(url: str) -> float:
    connection = redis.ConnectionPool.from_url(url, decode_responses=True).make_connection()
    import hiredis

    packed = hiredis.pack_command(("GET", "nothing"))

    def once() -> None:
        connection.send_packed_command([packed], check_health=False)
        connection.read_response()

    cost = _cpu(once, 2000)
    connection.disconnect()
    return cost


def _statement(url: str) -> float:
    """Measure a statement as `idp/prepared.py` runs them: prepared once, by libpq, its values read in binary."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (id integer PRIMARY KEY, n integer)")
        connection.execute("INSERT INTO floor VALUES (1, 0)")
        libpq = connection.pgconn
        libpq.prepare(b"floor", b"UPDATE floor SET n = n + 1 WHERE id = $1 RETURNING n")

        def once() -> int:
            answer = libpq.exec_prepared(b"floor", [b"1"], result_format=Format.BINARY)
            if answer.status != ExecStatus.TUPLES_OK:
                raise RuntimeError(answer.error_message)
            return int.from_bytes(answer.get_value(0, 0) or b"", signed=True)

        return _cpu(once, 2000)


def _signature() -> float:
    key = load_key(generate_pem("ES256", rsa_bits=2048), "ES256")
    return _cpu(lambda: key.private.sign(b"x" * 300), 2000)


def _cpu(act: Callable[[], object], times: int) -> float:
    costs = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(times):
            act()
        costs.append((time.process_time() - started) / times * 1e6)
    return median(costs)
