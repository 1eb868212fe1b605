"""What cannot be avoided: the bare parts of which an operation is made, each measured alone."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import argon2
import redis
from sqlalchemy import create_engine, text

from bench.flows import Target, discovery
from bench.load import run
from bench.machine import cpu_seconds, free_port, wait_until_it_answers
from idp.oidc.jose.own import generate_pem, load_key
from tests.servers import start_postgresql, start_redis


@dataclass(frozen=True)
class Part:
    """One part and its CPU in microseconds of the process that does it."""

    name: str
    cpu: float


BARE, FLASK, ROUND_TRIP, STATEMENT, SIGNATURE, ARGON2 = (
    "granian and a bare WSGI function",
    "granian and an empty Flask view",
    "one Redis round trip (socket, hiredis)",
    "one PostgreSQL statement that commits (psycopg)",
    "one ES256 signature (cryptography)",
    "one Argon2id, 19 MiB, t=2",
)
_APPS = """
from flask import Flask
BODY = b'{"authorization_endpoint":"x","jwks_uri":"y"}'
def bare(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return (BODY,)
flask = Flask(__name__)
flask.get("/")(lambda: (BODY, {"Content-Type": "application/json"}))
"""


def measure_parts(folder: Path) -> list[Part]:
    """Measure every part."""
    (folder / "apps.py").write_text(_APPS)
    with ExitStack() as running:
        home = folder / "floor"
        home.mkdir(mode=0o711)
        database_url = start_postgresql(running, home / "postgresql")
        redis_url = start_redis(running, home / "redis")
        return [
            Part(BARE, _served(folder, "apps:bare")),
            Part(FLASK, _served(folder, "apps:flask")),
            Part(ROUND_TRIP, _round_trip(redis_url)),
            Part(STATEMENT, _statement(database_url)),
            Part(SIGNATURE, _signature()),
            Part(ARGON2, _argon2()),
        ]


def _served(folder: Path, app: str) -> float:
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
                port, None, discovery, target, users=4, seconds=1, around=lambda: cpu_seconds(server.pid)
            )
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
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE floor (id integer PRIMARY KEY, n integer)"))
        connection.execute(text("INSERT INTO floor VALUES (1, 0)"))
        raw = connection.connection.driver_connection
        cost = _cpu(lambda: raw.execute("UPDATE floor SET n = n + 1 WHERE id = %s RETURNING n", (1,)).fetchone(), 1000)
    engine.dispose()
    return cost


def _signature() -> float:
    key = load_key(generate_pem("ES256", rsa_bits=2048), "ES256")
    return _cpu(lambda: key.private.sign(b"x" * 300), 2000)


def _argon2() -> float:
    hasher = argon2.PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)
    return _cpu(lambda: hasher.hash("motdepasse"), 10)


def _cpu(act: Callable[[], object], times: int) -> float:
    costs = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(times):
            act()
        costs.append((time.process_time() - started) / times * 1e6)
    return median(costs)
