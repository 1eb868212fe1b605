"""Runs a command with a PostgreSQL and a Redis of its own: ``python tests/servers.py pytest --backend=servers``.

Both listen on loopback ports that were free, keep their data in a folder that is deleted at the end, and are
addressed by TEST_DATABASE_URL and TEST_REDIS_URL, unless these already name servers to use.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import redis

START_WITHIN = 30.0
# A test server may forget what it knows when the machine stops.
POSTGRESQL_OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
    "listen_addresses=127.0.0.1",
)


def main(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="sesame-test-")))
        folder.chmod(0o711)
        environ = dict(os.environ)
        if "TEST_DATABASE_URL" not in environ:
            environ["TEST_DATABASE_URL"] = start_postgresql(running, folder / "postgresql")
        if "TEST_REDIS_URL" not in environ:
            environ["TEST_REDIS_URL"] = start_redis(running, folder / "redis")
        return subprocess.run(command, env=environ, check=False).returncode


def start_postgresql(running: ExitStack, folder: Path, wanted: Sequence[str] = POSTGRESQL_OPTIONS) -> str:
    programs, port = postgresql_programs(), free_port()
    folder.mkdir(mode=0o700)
    identity = unprivileged(folder)
    subprocess.run(
        [programs / "initdb", "--pgdata", folder / "data", "--username=sesame", "--auth=trust", "--encoding=UTF8",
         "--locale=C.UTF-8", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **identity,
    )  # fmt: skip
    options = [part for option in wanted for part in ("-c", option)]
    log = running.enter_context((folder.parent / "postgresql.log").open("wb"))
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, *options],
        stdout=log, stderr=log, cwd=folder, **identity,
    )  # fmt: skip
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every connection to close.
    running.callback(stop, server, signal.SIGINT)
    wait_for(server, Path(log.name), lambda: psycopg.connect(_dsn(port), connect_timeout=2).close(), psycopg.Error)
    return f"postgresql+psycopg://sesame@127.0.0.1:{port}/postgres"


def start_redis(running: ExitStack, folder: Path) -> str:
    port = free_port()
    folder.mkdir(mode=0o700)
    log = running.enter_context((folder.parent / "redis.log").open("wb"))
    server = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "",
         "--appendonly", "no", "--maxmemory-policy", "noeviction", "--databases", "64"],
        stdout=log, stderr=log,
    )  # fmt: skip
    running.callback(stop, server, signal.SIGTERM)

    def ping() -> None:
        with redis.Redis(port=port, socket_timeout=2) as client:
            client.ping()

    wait_for(server, Path(log.name), ping, redis.RedisError)
    return f"redis://127.0.0.1:{port}"


def postgresql_programs() -> Path:
    """Return the folder of `initdb` and `postgres`: the newest of Debian's, else what PATH has."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    if found is None:
        sys.exit("tests/servers.py: PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(found).parent


def unprivileged(folder: Path) -> dict[str, Any]:
    """Return how to run a program that refuses root, its folder handed over; nothing special when we are not root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _dsn(port: int) -> str:
    return f"host=127.0.0.1 port={port} user=sesame dbname=postgres"


def wait_for(
    server: "subprocess.Popen[bytes]", log: Path, attempt: Callable[[], None], not_yet: type[Exception]
) -> None:
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            attempt()
            return
        except not_yet:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"tests/servers.py: {log.stem} does not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def stop(server: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    server.send_signal(number)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Turned into an exception, so that the servers are stopped and their data deleted.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
