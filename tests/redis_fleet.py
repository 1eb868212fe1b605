"""Several Redis of a test's own: a primary with its replica behind Sentinel, a cluster of three with a spare."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.node import free_port, until

PASSWORD = "of-the-test"


class Fleet:
    """Servers by port; each is stopped at the end, whatever a test did to it."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder, self._running = folder, running
        self.servers: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *options: str, port: int = 0, mode: str = "", config: str = "") -> int:
        # The bus of a cluster listens ten thousand higher.
        port = port or next(found for found in iter(free_port, 0) if found < 55_000)
        place = self._folder / str(port)
        place.mkdir(exist_ok=True)
        arguments = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(place), "--save", ""]
        # Sentinel and clusters write into it.
        (place / "redis.conf").write_text(config)
        server = subprocess.Popen(
            ["redis-server", str(place / "redis.conf"), *arguments, *options, *([mode] if mode else [])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.servers[port] = server
        self._running.callback(_end, server)
        until(lambda: _says(port, "PING") is not None, f"redis-server on {port}")
        return port

    def kill(self, port: int) -> None:
        _end(self.servers[port])

    def ask(self, port: int, *command: Any) -> Any:
        with redis.Redis(port=port, password=self.password, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    password: str | None = None


@contextmanager
def fleet() -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="sesame-redis-") as folder, ExitStack() as running:
        yield Fleet(Path(folder), running)


def watched_at(port: int) -> dict[str, Any]:
    """Return what Sentinel is told of a service whose primary is at ``port``."""
    return {"monitor": f"127.0.0.1 {port} 1", "auth-pass": PASSWORD, "down-after-milliseconds": 500,
            "failover-timeout": 2000}  # fmt: skip


@contextmanager
def behind_sentinel() -> Iterator[tuple[Fleet, str]]:
    """A primary and its replica, both with a password, and one Sentinel that counts seconds shorter than usual."""
    with fleet() as made:
        made.password = PASSWORD
        secret = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--maxmemory-policy", "noeviction",
                  "--repl-diskless-sync-delay", "0")  # fmt: skip
        primary = made.start(*secret)
        replica = made.start(*secret, "--replicaof", f"127.0.0.1 {primary}")
        until(lambda: made.ask(replica, "INFO", "replication")["master_link_status"] == "up", "the replica follows")
        lines = (f"sentinel {name} state {value}\n" for name, value in watched_at(primary).items())
        watcher = made.start(mode="--sentinel", config="".join(lines))
        made.primary, made.replica, made.watcher = primary, replica, watcher  # type: ignore[attr-defined]
        yield made, f"redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{watcher}/state/0"


@contextmanager
def cluster() -> Iterator[tuple[Fleet, str]]:
    """Three primaries, and a spare that follows the first."""
    with fleet() as made:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--maxmemory-policy", "noeviction",
                   "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")  # fmt: skip
        ports = [made.start(*options) for _ in range(4)]
        for number, (first, last) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
            made.ask(ports[number], "CLUSTER", "ADDSLOTSRANGE", first, last)
            made.ask(ports[number], "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port in ports[1:]:
            made.ask(port, "CLUSTER", "MEET", "127.0.0.1", ports[0])
        until(lambda: all(_works(made, port) for port in ports[:3]), "the cluster works")
        until(lambda: made.ask(ports[3], "CLUSTER", "NODES").count("connected") == 4, "the spare knows all")
        made.ask(ports[3], "CLUSTER", "REPLICATE", made.ask(ports[0], "CLUSTER", "MYID"))
        until(lambda: made.ask(ports[3], "INFO", "replication").get("master_link_status") == "up", "the spare follows")
        made.ports = ports  # type: ignore[attr-defined]
        yield made, f"redis+cluster://127.0.0.1:{ports[1]},127.0.0.1:{ports[2]}"


def _works(made: Fleet, port: int) -> bool:
    return "cluster_state:ok" in made.ask(port, "CLUSTER", "INFO")


def _says(port: int, *command: str) -> Any:
    try:
        with redis.Redis(port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)
    except redis.AuthenticationError:
        return "a password is wanted"
    except redis.RedisError:
        time.sleep(0.02)
        return None


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.kill()
    server.wait()
